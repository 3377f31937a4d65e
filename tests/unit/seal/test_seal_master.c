// SPDX-License-Identifier: Apache-2.0
//
// Loading and making the master key: every refusal with its words.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"
#include "seal/master.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char folder[64];
    char path[96];
};

static int place_begin(void **state)
{
    static struct place place;
    (void)text_format(place.folder, sizeof place.folder, "/tmp/seal-test-XXXXXX");
    if (mkdtemp(place.folder) == NULL)
        return -1;
    (void)text_format(place.path, sizeof place.path, "%s/master", place.folder);
    *state = &place;
    return 0;
}

static int place_end(void **state)
{
    const struct place *place = *state;
    (void)unlink(place->path);
    (void)rmdir(place->path);
    return rmdir(place->folder);
}

static void file_put(const char *path, size_t length, mode_t mode)
{
    static const uint8_t bytes[64] = {1, 2, 3};
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static void assert_refused(const char *path, enum result expected, const char *words)
{
    struct seal_master *master = NULL;
    struct seal_problem problem = {""};
    assert_int_equal(seal_master_load_file(path, &master, &problem), expected);
    assert_null(master);
    assert_non_null(strstr(problem.text, path));
    assert_non_null(strstr(problem.text, words));
    assert_int_equal(seal_master_load_file(path, &master, NULL), expected);
}

static void test_create_and_load(void **state)
{
    const struct place *place = *state;
    struct seal_problem problem;
    struct stat status;
    assert_int_equal(seal_master_file_create(place->path, &problem), OK);
    assert_int_equal(stat(place->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, 32);
    struct seal_master *master;
    assert_int_equal(seal_master_load_file(place->path, &master, &problem), OK);
    seal_master_free(master);
    assert_int_equal(seal_master_file_create(place->path, &problem), ERR_EXISTS);
    assert_non_null(strstr(problem.text, place->path));
    assert_int_equal(seal_master_file_create("/nonexistent/master", &problem), ERR_MISSING);
}

static void test_missing(void **state)
{
    assert_refused(((struct place *)*state)->path, ERR_MISSING, "No such file");
}

static void test_modes(void **state)
{
    const struct place *place = *state;
    static const mode_t bad[] = {0640, 0604, 0620, 0602, 0601, 0777};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        file_put(place->path, 32, bad[i]);
        assert_refused(place->path, ERR_REFUSED, "0600");
        assert_int_equal(unlink(place->path), 0);
    }
    file_put(place->path, 32, 0400);
    struct seal_master *master;
    assert_int_equal(seal_master_load_file(place->path, &master, NULL), OK);
    seal_master_free(master);
}

static void test_sizes(void **state)
{
    const struct place *place = *state;
    static const size_t bad[] = {0, 31, 33, 64};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        file_put(place->path, bad[i], 0600);
        assert_refused(place->path, ERR_FORMAT, "32 bytes");
        assert_int_equal(unlink(place->path), 0);
    }
}

static void test_kinds(void **state)
{
    const struct place *place = *state;
    assert_int_equal(mkdir(place->path, 0700), 0);
    assert_refused(place->path, ERR_REFUSED, "regular file");
    assert_int_equal(rmdir(place->path), 0);
    assert_int_equal(mkfifo(place->path, 0600), 0); // does not hang
    assert_refused(place->path, ERR_REFUSED, "regular file");
}

static void test_owner(void **state)
{
    const struct place *place = *state;
    file_put(place->path, 32, 0600);
    if (geteuid() != 0)
        skip(); // only root can give a file away
    assert_int_equal(chown(place->path, 12345, 0), 0);
    assert_refused(place->path, ERR_REFUSED, "another user");
}

static void test_credential(void **state)
{
    const struct place *place = *state;
    struct seal_master *master;
    struct seal_problem problem;
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_int_equal(seal_master_load_credential("master", &master, &problem), ERR_MISSING);
    assert_non_null(strstr(problem.text, "CREDENTIALS_DIRECTORY"));
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", place->folder, 1), 0);
    assert_int_equal(seal_master_load_credential("../master", &master, &problem), ERR_ARGUMENT);
    assert_int_equal(seal_master_load_credential("", &master, &problem), ERR_ARGUMENT);
    assert_int_equal(seal_master_load_credential("master", &master, &problem), ERR_MISSING);
    file_put(place->path, 32, 0400);
    assert_int_equal(seal_master_load_credential("master", &master, &problem), OK);
    seal_master_free(master);
    assert_int_equal(chmod(place->path, 0444), 0);
    assert_int_equal(seal_master_load_credential("master", &master, &problem), ERR_REFUSED);
    assert_int_equal(chmod(place->path, 0440), 0);
    bool is_root = geteuid() == 0 && getegid() == 0;
    enum result result = seal_master_load_credential("master", &master, &problem);
    assert_int_equal(result, is_root ? OK : ERR_REFUSED);
    if (result == OK)
        seal_master_free(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create_and_load, place_begin, place_end),
        cmocka_unit_test_setup_teardown(test_missing, place_begin, place_end),
        cmocka_unit_test_setup_teardown(test_modes, place_begin, place_end),
        cmocka_unit_test_setup_teardown(test_sizes, place_begin, place_end),
        cmocka_unit_test_setup_teardown(test_kinds, place_begin, place_end),
        cmocka_unit_test_setup_teardown(test_owner, place_begin, place_end),
        cmocka_unit_test_setup_teardown(test_credential, place_begin, place_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
