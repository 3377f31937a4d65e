// SPDX-License-Identifier: Apache-2.0
//
// The worker's side: asking, cancelling, and hearing the answer.
#include "crosswalk/enquiry.h"
#include "base/magic.h"
#include "base/wipe.h"
#include "crosswalk/enquiry_private.h"
#include <stdlib.h>

enum {
    TEXT_MOST = 4096, // of one text; longer ones are no ID, and guard no better
    STUDY_MOST = 64,  // PS3.5 9.1
};

static struct slice bounded(struct slice text)
{
    return slice_first(text, text.length < TEXT_MOST ? text.length : TEXT_MOST);
}

// The texts of a question, for going through all of them.
static void texts_of(struct enquiry_question *question, struct slice *texts[5])
{
    texts[0] = &question->id;
    texts[1] = &question->study;
    texts[2] = &question->person.name;
    texts[3] = &question->person.birth_date;
    texts[4] = &question->person.sex;
}

static struct enquiry *enquiry_new(const struct enquiry_question *from)
{
    struct enquiry_question question = *from;
    struct slice *texts[5];
    size_t length = 0;
    question.study = slice_trimmed(question.study);
    if (question.study.length > STUDY_MOST)
        question.study = slice_of(NULL, 0);
    texts_of(&question, texts);
    for (size_t i = 0; i < 5; i++) {
        *texts[i] = bounded(*texts[i]);
        length += texts[i]->length;
    }
    struct enquiry *enquiry = calloc(1, sizeof *enquiry + length);
    if (enquiry == NULL)
        return NULL;
    MAGIC_INIT(enquiry, ENQUIRY_MAGIC);
    for (size_t i = 0; i < 5; i++) {
        uint8_t *to = enquiry->text + enquiry->length;
        if (texts[i]->length > 0)
            memcpy(to, texts[i]->data, texts[i]->length);
        enquiry->length += texts[i]->length;
        *texts[i] = slice_of(to, texts[i]->length);
    }
    enquiry->question = question;
    atomic_init(&enquiry->is_cancelled, false);
    return enquiry;
}

void enquiry_free(struct enquiry *enquiry)
{
    MAGIC_CHECK(enquiry, ENQUIRY_MAGIC);
    MAGIC_CLEAR(enquiry);
    wipe(&enquiry->verdict, sizeof enquiry->verdict);
    wipe(enquiry->text, enquiry->length);
    free(enquiry);
}

static void run_answer(struct worker *worker, struct worker_call *call)
{
    struct enquiry *enquiry = enquiry_of(CONTAINER_OF(call, struct order_mail, call));
    (void)worker;
    MAGIC_CHECK(enquiry, ENQUIRY_MAGIC);
    if (enquiry->studied != NULL)
        enquiry->studied(enquiry->arg, enquiry->result, enquiry->has_other);
    if (enquiry->answered != NULL)
        enquiry->answered(enquiry->arg, enquiry->result, enquiry->result == OK ? &enquiry->verdict : NULL);
    enquiry_free(enquiry);
}

static void discard_answer(struct worker_call *call)
{
    enquiry_free(enquiry_of(CONTAINER_OF(call, struct order_mail, call)));
}

static void enquiry_post(struct enquiry *enquiry, struct worker *worker, void *arg)
{
    enquiry->mail.call = (struct worker_call){.run = run_answer, .discard = discard_answer};
    enquiry->office = worker->gateway->office;
    enquiry->worker = worker;
    enquiry->arg = arg;
    order_outbox_post(&enquiry->office->from_worker[worker->index], &enquiry->mail);
}

enum result enquiry_ask(struct worker *worker, const struct enquiry_question *question,
                        enquiry_answered_fn *answered, void *arg, struct enquiry **out)
{
    struct enquiry *enquiry = enquiry_new(question);
    if (enquiry == NULL)
        return ERR_NOMEM;
    enquiry->answered = answered;
    *out = enquiry;
    enquiry_post(enquiry, worker, arg);
    return OK;
}

enum result enquiry_ask_study(struct worker *worker, const struct study_question *question,
                              study_answered_fn *answered, void *arg, struct enquiry **out)
{
    const struct enquiry_question nothing = {.archive = 0};
    struct enquiry *enquiry = enquiry_new(&nothing);
    if (enquiry == NULL)
        return ERR_NOMEM;
    enquiry->is_of_study = true;
    enquiry->of_study = *question;
    enquiry->studied = answered;
    *out = enquiry;
    enquiry_post(enquiry, worker, arg);
    return OK;
}

void enquiry_cancel(struct enquiry **enquiry)
{
    if (*enquiry == NULL)
        return;
    MAGIC_CHECK(*enquiry, ENQUIRY_MAGIC);
    (*enquiry)->answered = NULL;
    (*enquiry)->studied = NULL;
    atomic_store(&(*enquiry)->is_cancelled, true);
    *enquiry = NULL;
}
