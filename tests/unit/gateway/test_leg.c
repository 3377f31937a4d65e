// SPDX-License-Identifier: Apache-2.0
//
// Legs in both roles against each other over the network in memory: order, deadlines, ends, and that an owner
// may free its leg wherever it likes.
#include "unit.h"

#include "base/units.h"
#include "dimse/message.h"
#include "dimse/status.h"
#include "leg/leg.h"
#include "net/memory.h"
#include "route/negotiation.h"

enum happening { REQUEST, OPENED, COMMAND, DATA, DATA_END, RELEASE, SENT, ENDED, HAPPENINGS };

// The owner of one leg.
struct side {
    struct leg_environment environment;
    struct ev_loop *loop;
    struct leg *leg;
    struct leg_end end;
    unsigned count[HAPPENINGS];
    size_t bytes;
    uint16_t last_status;
    enum happening frees_at; // HAPPENINGS: never by itself, not even at the end
    bool frees_at_end;
    bool is_mute;     // does not answer a request or a release
    bool holds;       // stops at each command
    unsigned answers; // responses sent to each command
};

static struct sim_world *world;
static struct memory_network *network;
static struct side client;
static struct side server;
static struct leg_timeouts timeouts;
static uint8_t payload[60000];
static const struct net_address address = {.family = NET_IPV4, .port = 104, .bytes = {10, 0, 0, 9}};

static void happens(struct side *side, enum happening what)
{
    assert_int_equal(side->count[ENDED], 0); // on_end is the last
    assert_non_null(side->leg);
    side->count[what]++;
    if (side->frees_at == what || (what == ENDED && side->frees_at_end))
        leg_free(&side->leg);
}

static void on_request(void *arg, const struct ul_parameters *request)
{
    struct side *side = arg;
    happens(side, REQUEST);
    if (side->leg == NULL || side->is_mute)
        return;
    struct ul_parameters *answer;
    assert_int_equal(ul_parameters_new_answer(request, &answer), OK);
    ul_parameters_set_maximum_length(answer, 16384);
    assert_int_equal(ul_parameters_add_accepted(answer, 1, request->contexts[0].transfer[0]), OK);
    assert_int_equal(leg_answer(side->leg, &answer), OK);
}

static void on_open(void *arg)
{
    happens(arg, OPENED);
}

static void respond(struct side *side, const struct dimse_command *request)
{
    for (unsigned i = 0; i < side->answers; i++) {
        struct dimse_command response;
        dimse_response(&response, request, (uint16_t)i);
        assert_int_equal(leg_send_command(side->leg, 1, &response), OK);
    }
}

static void on_command(void *arg, uint8_t context_id, const struct dimse_command *command)
{
    struct side *side = arg;
    assert_int_equal(context_id, 1);
    side->last_status = command->status;
    if (side->holds)
        leg_hold(side->leg);
    happens(side, COMMAND);
    if (side->leg != NULL && !dimse_command_is_response(command))
        respond(side, command);
}

static void on_data(void *arg, struct slice piece)
{
    struct side *side = arg;
    side->bytes += piece.length;
    happens(side, DATA);
}

static void on_data_end(void *arg)
{
    happens(arg, DATA_END);
}

static void on_release(void *arg)
{
    struct side *side = arg;
    happens(side, RELEASE);
    if (side->leg != NULL && !side->is_mute)
        leg_release_response(side->leg);
}

static void on_sent(void *arg)
{
    happens(arg, SENT);
}

static void on_end(void *arg, const struct leg_end *end)
{
    struct side *side = arg;
    side->end = *end;
    happens(side, ENDED);
}

static const struct leg_handler handler = {on_request,  on_open,    on_command, on_data,
                                           on_data_end, on_release, on_sent,    on_end};

static void on_accept(void *arg, struct transport *transport)
{
    struct side *side = arg;
    assert_int_equal(leg_accept(&side->environment, &timeouts, &transport, &handler, side, &side->leg), OK);
}

static void side_init(struct side *side, const char *name)
{
    *side = (struct side){.loop = sim_loop_new(world, name), .frees_at = HAPPENINGS, .frees_at_end = true};
    assert_int_equal(leg_environment_init(&side->environment, side->loop, &(struct ul_limits){0}), OK);
}

static int set_up(void **state)
{
    (void)state;
    world = sim_world_new(3);
    network = memory_network_new(world);
    timeouts = (struct leg_timeouts){10 * NSEC_PER_SEC, 20 * NSEC_PER_SEC, 30 * NSEC_PER_SEC,
                                     300 * NSEC_PER_SEC, 40 * NSEC_PER_SEC};
    side_init(&client, "client");
    side_init(&server, "server");
    assert_int_equal(memory_network_listen(network, &address, server.loop, on_accept, &server), OK);
    return 0;
}

static void side_fini(struct side *side)
{
    leg_free(&side->leg);
    leg_environment_fini(&side->environment);
}

static int tear_down(void **state)
{
    (void)state;
    side_fini(&client);
    side_fini(&server);
    memory_network_free(&network);
    ev_loop_free(&client.loop);
    ev_loop_free(&server.loop);
    sim_world_free(&world);
    return 0;
}

static void run(uint64_t nanoseconds)
{
    sim_world_run_until(world, NULL, NULL, sim_world_now(world) + nanoseconds);
}

static void dial(void)
{
    struct ul_parameters *request;
    assert_int_equal(negotiation_request(slice_of_text("SERVER"), slice_of_text("CLIENT"), 16384, &request),
                     OK);
    assert_int_equal(ul_parameters_add_context(request, 1, 0, slice_of_text("1.2.840.10008.1.1")), OK);
    assert_int_equal(ul_parameters_add_transfer_syntax(request, slice_of_text("1.2.840.10008.1.2")), OK);
    struct leg_timeouts mine = timeouts;
    mine.idle_ns = 0; // only who was called minds silence
    assert_int_equal(leg_connect(&client.environment, &mine, memory_network_dialer(network), &address,
                                 &request, &handler, &client, &client.leg),
                     OK);
    assert_null(request);
}

static void associate(void)
{
    dial();
    run(NSEC_PER_SEC);
    assert_int_equal(client.count[OPENED], 1);
    assert_true(leg_is_open(client.leg));
    assert_true(leg_is_open(server.leg));
}

static void echo_send(struct side *side, uint16_t message_id)
{
    struct dimse_command command;
    dimse_echo_request(&command, message_id);
    assert_int_equal(leg_send_command(side->leg, 1, &command), OK);
}

static void store_begin(struct side *side)
{
    struct dimse_command command;
    dimse_store_request(&command, 1, slice_of_text("1.2"), slice_of_text("1.2.3"), 0, NULL);
    assert_int_equal(leg_send_command(side->leg, 1, &command), OK);
}

static void assert_over(const struct side *side, enum leg_cause cause)
{
    assert_int_equal(side->count[ENDED], 1);
    assert_string_equal(leg_cause_name(side->end.cause), leg_cause_name(cause));
    assert_int_equal(side->environment.lingering.count, 0);
}

// A whole conversation; every path gives the same.
static void conversation(const struct memory_path *path)
{
    memory_network_set_path(network, path);
    server.answers = 1;
    associate();
    store_begin(&client);
    size_t most = leg_max_fragment(client.leg);
    for (size_t at = 0; at < sizeof payload;) {
        struct slice piece = slice_first(slice_of(payload + at, sizeof payload - at), most);
        at += piece.length;
        assert_int_equal(leg_send(client.leg, 1, false, at == sizeof payload, piece), OK);
    }
    run(20 * NSEC_PER_SEC);
    assert_int_equal(server.bytes, sizeof payload);
    assert_int_equal(server.count[DATA_END], 1);
    assert_int_equal(client.count[COMMAND], 1);
    assert_true(client.count[SENT] >= 1);
    assert_true(leg_is_drained(client.leg));
    leg_release(client.leg);
    run(20 * NSEC_PER_SEC);
    assert_over(&client, LEG_RELEASED);
    assert_over(&server, LEG_RELEASED);
}

static void test_conversation(void **state)
{
    (void)state;
    conversation(&(struct memory_path){0});
}

static void test_one_byte_at_a_time(void **state)
{
    (void)state;
    conversation(&(struct memory_path){.read_max = 1});
}

static void test_small_buffer(void **state)
{
    (void)state;
    conversation(&(struct memory_path){.buffer = 100, .segment_max = 7, .latency = 1000});
}

// The peer takes nothing any more: the stream is poisoned, so there is no A-ABORT but a reset.
static void test_blocked_writer(void **state)
{
    (void)state;
    memory_network_set_path(network, &(struct memory_path){.buffer = 1000});
    associate();
    leg_pause(server.leg);
    store_begin(&client);
    assert_int_equal(leg_send(client.leg, 1, false, false, slice_of(payload, 16000)), OK);
    run(39 * NSEC_PER_SEC);
    assert_int_equal(client.count[ENDED], 0);
    run(2 * NSEC_PER_SEC);
    assert_over(&client, LEG_STALL_TIMEOUT);
    leg_resume(server.leg);
    run(NSEC_PER_SEC);
    assert_over(&server, LEG_TRANSPORT_ENDED);
}

// A slow peer is not a dead one.
static void test_slow_reader(void **state)
{
    (void)state;
    memory_network_set_path(network, &(struct memory_path){.buffer = 1000, .rate = 100});
    dial();
    run(15 * NSEC_PER_SEC);
    store_begin(&client);
    assert_int_equal(leg_send(client.leg, 1, false, true, slice_of(payload, 8000)), OK);
    run(100 * NSEC_PER_SEC);
    assert_int_equal(server.bytes, 8000);
    assert_int_equal(client.count[ENDED] + server.count[ENDED], 0);
}

// Responses queued before the release goes out come before it (PROTOCOL 66).
static void test_release_after_responses(void **state)
{
    (void)state;
    memory_network_set_path(network, &(struct memory_path){.buffer = 150});
    associate();
    server.answers = 5;
    leg_pause(client.leg);
    echo_send(&client, 1);
    leg_release(client.leg);
    run(5 * NSEC_PER_SEC);
    assert_int_equal(server.count[RELEASE], 1);
    assert_false(leg_is_drained(server.leg));
    assert_int_equal(leg_send(server.leg, 1, true, true, slice_of(payload, 2)), ERR_REFUSED);
    leg_resume(client.leg);
    run(5 * NSEC_PER_SEC);
    assert_int_equal(client.count[COMMAND], 5);
    assert_int_equal(client.last_status, 4);
    assert_over(&client, LEG_RELEASED);
    assert_over(&server, LEG_RELEASED);
}

static void test_release_unanswered(void **state)
{
    (void)state;
    associate();
    server.is_mute = true;
    leg_release(client.leg);
    run(29 * NSEC_PER_SEC);
    assert_int_equal(client.count[ENDED], 0);
    run(2 * NSEC_PER_SEC);
    assert_over(&client, LEG_RELEASE_TIMEOUT);
    assert_over(&server, LEG_ABORTED);
}

static void test_release_inside_message(void **state)
{
    (void)state;
    associate();
    store_begin(&client);
    run(NSEC_PER_SEC);
    leg_release(client.leg);
    run(NSEC_PER_SEC);
    assert_int_equal(server.count[RELEASE], 0);
    assert_over(&server, LEG_MESSAGE_FAULT);
    assert_int_equal(server.end.dimse, DIMSE_REASON_RELEASE_IN_MESSAGE);
    assert_over(&client, LEG_ABORTED);
}

// Between fragments the peer hears A-ABORT; inside one it can not be told apart from payload.
static void test_abort(void **state)
{
    (void)state;
    associate();
    store_begin(&client);
    run(NSEC_PER_SEC);
    leg_abort(client.leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
    assert_int_equal(client.count[ENDED], 1);
    run(NSEC_PER_SEC);
    assert_over(&client, LEG_CLOSED_BY_US);
    assert_over(&server, LEG_ABORTED);
    assert_int_equal(server.end.abort_source, UL_ABORT_BY_USER);
}

static void test_abort_inside_fragment(void **state)
{
    (void)state;
    memory_network_set_path(network, &(struct memory_path){.buffer = 1000});
    associate();
    leg_pause(server.leg);
    store_begin(&client);
    assert_int_equal(leg_send(client.leg, 1, false, false, slice_of(payload, 16000)), OK);
    run(NSEC_PER_SEC);
    leg_abort(client.leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
    assert_over(&client, LEG_CLOSED_BY_US);
    leg_resume(server.leg);
    run(NSEC_PER_SEC);
    assert_over(&server, LEG_TRANSPORT_ENDED);
    assert_int_equal(server.end.transport, TRANSPORT_RESET);
}

static void test_nobody_there(void **state)
{
    (void)state;
    memory_network_unlisten(network, &address);
    dial();
    assert_int_equal(client.count[ENDED], 0);
    run(NSEC_PER_SEC);
    assert_over(&client, LEG_TRANSPORT_ENDED);
    assert_int_equal(client.end.transport, TRANSPORT_REFUSED);
}

static void test_connect_timeouts(void **state)
{
    (void)state;
    memory_network_blackhole(network, &address, true);
    dial();
    run(29 * NSEC_PER_SEC);
    assert_int_equal(client.count[ENDED], 0);
    run(2 * NSEC_PER_SEC);
    assert_over(&client, LEG_CONNECT_TIMEOUT);
}

static void test_request_unanswered(void **state)
{
    (void)state;
    server.is_mute = true;
    dial();
    run(31 * NSEC_PER_SEC);
    assert_over(&client, LEG_CONNECT_TIMEOUT);
    assert_over(&server, LEG_ABORTED);
}

static void silent_ready(void *arg, unsigned events)
{
    struct transport **transport = arg;
    if (events & TRANSPORT_OPEN)
        transport_want(*transport, 0);
}

static void test_artim(void **state)
{
    (void)state;
    struct transport *silent;
    assert_int_equal(
        net_dial(memory_network_dialer(network), client.loop, &address, silent_ready, &silent, &silent), OK);
    run(19 * NSEC_PER_SEC);
    assert_int_equal(server.count[ENDED], 0);
    run(2 * NSEC_PER_SEC);
    assert_over(&server, LEG_ARTIM_EXPIRED);
    transport_free(&silent);
}

// Sta13: after an A-ABORT the connection stays until the peer closes or ARTIM runs out, without an owner.
static void test_lingering(void **state)
{
    (void)state;
    struct transport *silent;
    uint8_t rubbish[10] = {9};
    size_t written;
    assert_int_equal(
        net_dial(memory_network_dialer(network), client.loop, &address, silent_ready, &silent, &silent), OK);
    run(NSEC_PER_SEC);
    assert_int_equal(transport_writev(silent, &(struct slice){rubbish, sizeof rubbish}, 1, &written), OK);
    run(NSEC_PER_SEC);
    assert_int_equal(server.count[ENDED], 1);
    assert_string_equal(leg_cause_name(server.end.cause), "aborted");
    assert_null(server.leg);
    assert_int_equal(server.environment.lingering.count, 1);
    for (int i = 0; i < 10; i++) // what still comes does not matter
        assert_int_equal(transport_writev(silent, &(struct slice){rubbish, sizeof rubbish}, 1, &written), OK);
    run(28 * NSEC_PER_SEC);
    assert_int_equal(server.environment.lingering.count, 1);
    run(3 * NSEC_PER_SEC);
    assert_int_equal(server.environment.lingering.count, 0);
    transport_free(&silent);
}

static void test_receiving_deadlines(void **state)
{
    (void)state;
    associate();
    run(298 * NSEC_PER_SEC);
    store_begin(&client);
    assert_int_equal(leg_send(client.leg, 1, false, false, slice_of(payload, 100)), OK);
    run(39 * NSEC_PER_SEC);
    assert_int_equal(server.count[ENDED], 0);
    assert_int_equal(leg_send(client.leg, 1, false, true, slice_of(payload, 100)), OK);
    run(290 * NSEC_PER_SEC);
    assert_int_equal(server.count[ENDED], 0);
    run(20 * NSEC_PER_SEC);
    assert_over(&server, LEG_IDLE_TIMEOUT);
    assert_over(&client, LEG_ABORTED);
}

static void test_stall(void **state)
{
    (void)state;
    associate();
    store_begin(&client);
    run(41 * NSEC_PER_SEC);
    assert_over(&server, LEG_STALL_TIMEOUT);
    assert_over(&client, LEG_ABORTED);
}

// Who does not read can not blame the peer for silence.
static void test_pause_rests_deadlines(void **state)
{
    (void)state;
    associate();
    store_begin(&client);
    run(NSEC_PER_SEC);
    leg_pause(server.leg);
    assert_int_equal(leg_send(client.leg, 1, false, true, slice_of(payload, 100)), OK);
    run(200 * NSEC_PER_SEC);
    assert_int_equal(server.count[ENDED], 0);
    leg_resume(server.leg);
    run(NSEC_PER_SEC);
    assert_int_equal(server.count[DATA_END], 1);
}

// Held at a command: what lies behind it in the same read waits, however much there is, and keeps its order.
static void test_hold(void **state)
{
    (void)state;
    associate();
    server.holds = true;
    for (uint16_t i = 1; i <= 3; i++) {
        store_begin(&client);
        assert_int_equal(leg_send(client.leg, 1, false, true, slice_of(payload, 100u * i)), OK);
    }
    leg_release(client.leg);
    for (unsigned i = 1; i <= 3; i++) {
        run(NSEC_PER_SEC);
        assert_int_equal(server.count[COMMAND], i);
        assert_int_equal(server.count[DATA_END], i - 1);
        assert_int_equal(server.count[RELEASE], 0);
        leg_resume(server.leg);
    }
    run(NSEC_PER_SEC);
    assert_int_equal(server.bytes, 600);
    assert_over(&client, LEG_RELEASED);
    assert_over(&server, LEG_RELEASED);
}

// Freed with bytes held back: the peer still gets its abort, and nothing lingers.
static void test_free_while_held(void **state)
{
    (void)state;
    associate();
    server.holds = true;
    for (unsigned i = 0; i < 5; i++)
        echo_send(&client, (uint16_t)(i + 1));
    run(NSEC_PER_SEC);
    assert_int_equal(server.count[COMMAND], 1);
    leg_free(&server.leg);
    run(40 * NSEC_PER_SEC);
    assert_over(&client, LEG_ABORTED);
    assert_int_equal(server.count[COMMAND], 1);
    assert_int_equal(server.environment.lingering.count, 0);
}

static void test_room(void **state)
{
    (void)state;
    memory_network_set_path(network, &(struct memory_path){.buffer = 1000});
    associate();
    leg_pause(server.leg);
    for (unsigned i = 0; i < LEG_FRAGMENTS_MAX; i++)
        echo_send(&client, (uint16_t)(i + 1));
    struct dimse_command command;
    dimse_echo_request(&command, 99);
    assert_int_equal(leg_send_command(client.leg, 1, &command), AGAIN);
    assert_int_equal(leg_send(client.leg, 1, true, true, slice_of(payload, 10)), AGAIN);
    assert_int_equal(client.count[SENT], 0);
    leg_resume(server.leg);
    run(NSEC_PER_SEC);
    assert_true(client.count[SENT] > 0);
    assert_int_equal(server.count[COMMAND], LEG_FRAGMENTS_MAX);
    assert_int_equal(leg_send_command(client.leg, 1, &command), OK);
}

// Whatever happens, the owner may free its leg there, and nothing comes any more.
static void free_inside(enum happening client_frees, enum happening server_frees)
{
    (void)set_up(NULL);
    client.frees_at = client_frees;
    server.frees_at = server_frees;
    server.answers = 2;
    dial();
    run(NSEC_PER_SEC);
    if (client.leg != NULL && leg_is_open(client.leg)) {
        store_begin(&client);
        assert_int_equal(leg_send(client.leg, 1, false, true, slice_of(payload, 1000)), OK);
    }
    run(NSEC_PER_SEC);
    if (client.leg != NULL)
        leg_release(client.leg);
    run(100 * NSEC_PER_SEC);
    assert_null(client.leg);
    assert_null(server.leg);
    assert_int_equal(client.environment.lingering.count + server.environment.lingering.count, 0);
    (void)tear_down(NULL);
}

static void test_free_inside_callbacks(void **state)
{
    (void)state;
    for (int i = 0; i <= HAPPENINGS; i++)
        for (int k = 0; k <= HAPPENINGS; k++)
            free_inside((enum happening)i, (enum happening)k);
}

// The end has been told, the owner takes its time.
static void test_free_later_than_end(void **state)
{
    (void)state;
    client.frees_at_end = server.frees_at_end = false;
    associate();
    leg_release(client.leg);
    run(100 * NSEC_PER_SEC);
    assert_over(&client, LEG_RELEASED);
    assert_over(&server, LEG_RELEASED);
    assert_int_equal(leg_send(client.leg, 1, true, true, slice_of(payload, 10)), ERR_REFUSED);
    leg_abort(server.leg, UL_ABORT_BY_USER, UL_ABORT_NOT_SPECIFIED);
    leg_release(server.leg);
    leg_flush(client.leg);
    leg_free(&client.leg);
    leg_free(&server.leg);
    run(NSEC_PER_SEC);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_conversation),
        TEST(test_one_byte_at_a_time),
        TEST(test_small_buffer),
        TEST(test_blocked_writer),
        TEST(test_slow_reader),
        TEST(test_release_after_responses),
        TEST(test_release_unanswered),
        TEST(test_release_inside_message),
        TEST(test_abort),
        TEST(test_abort_inside_fragment),
        TEST(test_nobody_there),
        TEST(test_connect_timeouts),
        TEST(test_request_unanswered),
        TEST(test_artim),
        TEST(test_lingering),
        TEST(test_receiving_deadlines),
        TEST(test_stall),
        TEST(test_pause_rests_deadlines),
        TEST(test_hold),
        TEST(test_free_while_held),
        TEST(test_room),
        cmocka_unit_test(test_free_inside_callbacks),
        TEST(test_free_later_than_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
