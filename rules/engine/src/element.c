// SPDX-License-Identifier: Apache-2.0
//
// See element.h.
#include "element.h"

#include <string.h>

#include "base/check.h"
#include "parse.h"
#include "value.h"

bool element_is_many(const struct element *element)
{
    const struct dcm_path *path = &element->path;
    for (uint32_t i = 0; i < path->depth + (path->is_item ? 1 : 0); i++)
        if (path->step[i].item == DCM_ITEM_ALL)
            return true;
    return false;
}

static bool has_new_item(const struct dcm_path *path)
{
    for (uint32_t i = 0; i <= path->depth; i++)
        if (path->step[i].item == DCM_ITEM_NEW)
            return true;
    return false;
}

// Rules are decided before the first byte of the pixels.
static bool is_behind_header(const struct dcm_path *path)
{
    return path->step[0].tag >= DCM_FLOAT_PIXEL_DATA;
}

static bool has_values(enum dcm_vr vr)
{
    return vr == DCM_VR_NONE || value_vr_is_text(vr) || value_vr_is_number(vr);
}

// NULL if the rule may; else why not.
static const char *refusal_of(const struct dcm_path *path, enum element_use use)
{
    enum dcm_vr vr = dcm_path_vr(path);
    bool is_private = dcm_tag_is_private(path->step[path->depth].tag);
    if (has_new_item(path))
        return "has [+], which makes items and finds none";
    if (use == ELEMENT_WRITE || use == ELEMENT_REMOVE) {
        const char *refusal = dcm_path_refusal(path);
        if (refusal != NULL)
            return refusal;
        if (path->step[path->depth].tag == DCM_SPECIFIC_CHARACTER_SET)
            return "says how every text is to be read";
    }
    if (is_behind_header(path))
        return "does not stand before Pixel Data";
    if (!is_private && vr == DCM_VR_NONE)
        return "is not an element of PS3.6";
    if ((use == ELEMENT_READ || use == ELEMENT_WRITE) && (path->is_item || !has_values(vr)))
        return "has no values that a rule could read or write";
    return NULL;
}

static const struct element *element_find(const struct rules_library *library, const struct dcm_path *path)
{
    for (const struct element *at = library->elements; at != NULL; at = at->next)
        if (dcm_path_compare(&at->path, path) == 0)
            return at;
    return NULL;
}

static enum result element_intern(struct rules_library *library, const struct dcm_path *path,
                                  const struct element **element)
{
    char text[DCM_PATH_TEXT_SIZE];
    *element = element_find(library, path);
    if (*element != NULL)
        return OK;
    struct element *made = conf_arena_alloc(&library->arena, 1, sizeof *made);
    if (made == NULL)
        return ERR_NOMEM;
    dcm_path_print(path, text);
    made->path = *path;
    made->vr = dcm_path_vr(path);
    made->text = conf_arena_text(&library->arena, text, strlen(text));
    if (made->text == NULL)
        return ERR_NOMEM;
    made->next = library->elements;
    library->elements = made;
    *element = made;
    return OK;
}

enum result element_read(struct parse *parse, const struct conf_node *node, enum element_use use,
                         const struct element **element)
{
    struct dcm_path path;
    size_t at = 0;
    const char *text = node != NULL ? parse_text(parse, node, DCM_PATH_TEXT_SIZE - 1) : NULL;
    *element = NULL;
    if (text == NULL)
        return OK;
    enum result result = dcm_path_parse(slice_of_text(text), &path, &at);
    if (result != OK) {
        conf_error_at(
            &parse->document, node, "a keyword of PS3.6 or (gggg,eeee), in items: Sequence[0].Element",
            result == ERR_MISSING ? "there is no element `%s`" : "`%s` is not the path of an element", text);
        return OK;
    }
    const char *refusal = refusal_of(&path, use);
    if (refusal != NULL) {
        conf_error_at(&parse->document, node, NULL, "%s can not be %s: it %s", text,
                      use == ELEMENT_WRITE || use == ELEMENT_REMOVE ? "written" : "looked at", refusal);
        return OK;
    }
    return element_intern(parse->library, &path, element);
}

enum result element_of(struct parse *parse, const char *text, const struct element **element)
{
    struct dcm_path path;
    ensure(dcm_path_parse(slice_of_text(text), &path, NULL) == OK);
    return element_intern(parse->library, &path, element);
}
