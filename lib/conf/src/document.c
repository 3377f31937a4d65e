// SPDX-License-Identifier: Apache-2.0
//
// libyaml's events to a tree of nodes; see conf/document.h. Iterative: the open containers are the chain of
// parents.
#include "conf/document.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/check.h"
#include "base/text.h"

#define PATH_BYTES 256

// One parse: the container that is open, and the key that waits for its value.
struct builder {
    struct conf_document *document;
    struct conf_node *open;
    size_t depth;
    const char *key;
    struct conf_mark key_mark;
    size_t documents;
};

static struct conf_mark mark_of(yaml_mark_t mark)
{
    return (struct conf_mark){.line = mark.line + 1, .column = mark.column + 1};
}

static void path_of(const struct conf_node *node, char *to, size_t capacity)
{
    const struct conf_node *chain[CONF_DEPTH + 1];
    size_t count = 0;
    for (; node != NULL && node->parent != NULL && count < CONF_DEPTH + 1; node = node->parent)
        chain[count++] = node;
    to[0] = 0;
    while (count > 0) {
        const struct conf_node *step = chain[--count];
        size_t used = strlen(to);
        if (step->key != NULL)
            (void)text_format(to + used, capacity - used, "%s%s", used > 0 ? "." : "", step->key);
        else
            (void)text_format(to + used, capacity - used, "[%zu]", step->index);
    }
}

static void error_add(const struct conf_document *document, const struct conf_node *node,
                      struct conf_mark mark, const char *member, const char *allowed, const char *format,
                      va_list arguments)
{
    char path[PATH_BYTES];
    path_of(node, path, sizeof path);
    size_t used = strlen(path);
    if (member != NULL)
        (void)text_format(path + used, sizeof path - used, "%s%s", used > 0 ? "." : "", member);
    conf_errors_add(document->errors, document->file, mark.line, mark.column, path[0] != 0 ? path : NULL,
                    allowed, format, arguments);
}

void conf_error_at(const struct conf_document *document, const struct conf_node *node, const char *allowed,
                   const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_add(document, node, node->mark, NULL, allowed, format, arguments);
    va_end(arguments);
}

void conf_error_at_key(const struct conf_document *document, const struct conf_node *node,
                       const char *allowed, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_add(document, node, node->key_mark, NULL, allowed, format, arguments);
    va_end(arguments);
}

__attribute__((format(printf, 5, 6))) static void error_member(const struct conf_document *document,
                                                               const struct conf_node *node,
                                                               const char *member, const char *allowed,
                                                               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_add(document, node, node->mark, member, allowed, format, arguments);
    va_end(arguments);
}

void conf_error_missing(const struct conf_document *document, const struct conf_node *node, const char *key,
                        const char *allowed)
{
    error_member(document, node, key, allowed, "missing");
}

// An error about the text of the file, where there is no node yet.
__attribute__((format(printf, 4, 5))) static enum result builder_refuse(const struct builder *builder,
                                                                        struct conf_mark mark,
                                                                        const char *allowed,
                                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    error_add(builder->document, builder->open, mark, builder->key, allowed, format, arguments);
    va_end(arguments);
    return ERR_FORMAT;
}

const struct conf_node *conf_node_member(const struct conf_node *node, const char *key)
{
    if (node == NULL || node->kind != CONF_MAPPING)
        return NULL;
    for (const struct conf_node *child = node->first; child != NULL; child = child->next)
        if (strcmp(child->key, key) == 0)
            return child;
    return NULL;
}

// Control characters, also those that come by escapes, could forge lines in logs and in the errors
// themselves.
static bool has_control(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] == 0x7F)
            return true;
    return false;
}

static enum result node_add(struct builder *builder, enum conf_kind kind, struct conf_mark mark,
                            struct conf_node **out)
{
    if (builder->open != NULL && builder->open->count == CONF_CHILDREN)
        return builder_refuse(builder, mark, "4096", "too many entries");
    struct conf_node *node = conf_arena_alloc(builder->document->arena, 1, sizeof *node);
    if (node == NULL)
        return ERR_NOMEM;
    struct conf_node *parent = builder->open;
    *node = (struct conf_node){.kind = kind, .mark = mark, .key_mark = mark, .parent = parent};
    if (parent == NULL) {
        builder->document->root = node;
    } else {
        if (parent->kind == CONF_MAPPING) {
            node->key = builder->key;
            node->key_mark = builder->key_mark;
            builder->key = NULL;
        } else {
            node->index = parent->count + 1;
        }
        if (parent->last != NULL)
            parent->last->next = node;
        else
            parent->first = node;
        parent->last = node;
        parent->count++;
    }
    *out = node;
    return OK;
}

static enum result key_take(struct builder *builder, const char *text, struct conf_mark mark)
{
    const struct conf_node *other = conf_node_member(builder->open, text);
    builder->key = text;
    builder->key_mark = mark;
    if (other != NULL)
        // The tree is still whole, so the reader goes on and finds what else is wrong.
        (void)builder_refuse(builder, mark, "once", "given twice, first in line %zu", other->key_mark.line);
    return OK;
}

static bool expects_key(const struct builder *builder)
{
    return builder->open != NULL && builder->open->kind == CONF_MAPPING && builder->key == NULL;
}

static enum result on_scalar(struct builder *builder, const yaml_event_t *event)
{
    struct conf_mark mark = mark_of(event->start_mark);
    const char *value = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (event->data.scalar.anchor != NULL)
        return builder_refuse(builder, mark, NULL, "anchors (&) are not allowed");
    if (event->data.scalar.tag != NULL)
        return builder_refuse(builder, mark, NULL, "tags (!) are not allowed");
    if (length > CONF_SCALAR_BYTES)
        return builder_refuse(builder, mark, "4096 bytes", "text too long");
    if (has_control(value, length))
        return builder_refuse(builder, mark, NULL, "control characters are not allowed");
    char *text = conf_arena_text(builder->document->arena, value, length);
    if (text == NULL)
        return ERR_NOMEM;
    if (expects_key(builder))
        return key_take(builder, text, mark);
    struct conf_node *node;
    enum result result = node_add(builder, CONF_SCALAR, mark, &node);
    if (result != OK)
        return result;
    node->text = text;
    node->is_quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return OK;
}

static enum result on_start(struct builder *builder, enum conf_kind kind, yaml_mark_t start,
                            const yaml_char_t *anchor, const yaml_char_t *tag)
{
    struct conf_mark mark = mark_of(start);
    if (anchor != NULL)
        return builder_refuse(builder, mark, NULL, "anchors (&) are not allowed");
    if (tag != NULL)
        return builder_refuse(builder, mark, NULL, "tags (!) are not allowed");
    if (expects_key(builder))
        return builder_refuse(builder, mark, "a word", "a key can not be a list or mapping");
    if (builder->depth == CONF_DEPTH)
        return builder_refuse(builder, mark, "16 levels", "nested too deeply");
    struct conf_node *node;
    enum result result = node_add(builder, kind, mark, &node);
    if (result != OK)
        return result;
    builder->open = node;
    builder->depth++;
    return OK;
}

static enum result on_end(struct builder *builder)
{
    ensure(builder->open != NULL);
    builder->open = builder->open->parent;
    builder->depth--;
    return OK;
}

static enum result on_event(struct builder *builder, const yaml_event_t *event)
{
    struct conf_mark mark = mark_of(event->start_mark);
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_start(builder, CONF_SEQUENCE, event->start_mark, event->data.sequence_start.anchor,
                        event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return on_start(builder, CONF_MAPPING, event->start_mark, event->data.mapping_start.anchor,
                        event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_end(builder);
    case YAML_ALIAS_EVENT:
        return builder_refuse(builder, mark, NULL, "aliases (*) are not allowed");
    case YAML_DOCUMENT_START_EVENT:
        if (builder->documents++ > 0)
            return builder_refuse(builder, mark, "one document in a file", "a second document begins here");
        return OK;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return OK;
    }
    unreachable_state();
}

static enum result parse_failed(const struct builder *builder, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return ERR_NOMEM;
    struct conf_mark mark = mark_of(parser->problem_mark);
    const char *problem = parser->problem != NULL ? parser->problem : "it can not be read";
    if (parser->error == YAML_READER_ERROR) // has an offset in bytes instead of a mark
        return builder_refuse(builder, (struct conf_mark){0}, "UTF-8 text", "not text at byte %zu: %s",
                              parser->problem_offset, problem);
    return builder_refuse(builder, mark, NULL, "not right as YAML: %s", problem);
}

enum result conf_document_parse(struct conf_document *document, const char *text, size_t length)
{
    struct builder builder = {.document = document};
    document->root = NULL;
    if (length > CONF_FILE_BYTES)
        return builder_refuse(&builder, (struct conf_mark){0}, "1MiB", "the file is too large");
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { // libyaml skips the mark only where it guesses
        text += 3;
        length -= 3;
    }
    yaml_parser_t parser;
    if (yaml_parser_initialize(&parser) == 0)
        return ERR_NOMEM;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    enum result result = OK;
    for (bool at_end = false; result == OK && !at_end;) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            result = parse_failed(&builder, &parser);
            break;
        }
        at_end = event.type == YAML_STREAM_END_EVENT;
        result = on_event(&builder, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (result == OK && (document->root == NULL || document->root->kind != CONF_MAPPING))
        return builder_refuse(&builder, (struct conf_mark){.line = 1, .column = 1},
                              "a mapping (`key: value`)", "the file holds no options");
    return result;
}
