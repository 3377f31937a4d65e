// SPDX-License-Identifier: Apache-2.0
//
// The contract of fs/fs.h, tried on both sides of the seam: whatever the simulated disk answers, Linux
// answers too.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fs/fs.h"
#include "fs/sim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct side {
    bool is_real;
    char root[64];
    struct fs_sim *sim;
    struct fs *fs;
};

static int side_begin_real(void **state)
{
    struct side *side = calloc(1, sizeof *side);
    side->is_real = true;
    strncpy(side->root, "/tmp/fs-test-XXXXXX", sizeof side->root - 1);
    if (mkdtemp(side->root) == NULL || fs_real_new(side->root, &side->fs) != OK)
        return -1;
    *state = side;
    return 0;
}

static int side_begin_sim(void **state)
{
    struct side *side = calloc(1, sizeof *side);
    struct fs_sim_options options = {.seed = 1, .capacity = 0};
    if (fs_sim_new(&options, &side->sim) != OK || fs_sim_mount(side->sim, &side->fs) != OK)
        return -1;
    *state = side;
    return 0;
}

static void folder_clear(struct fs *fs, const char *folder)
{
    struct fs_names names;
    if (fs_dir_list(fs, folder, &names) != OK)
        return;
    for (size_t i = 0; i < names.count; i++) {
        char path[FS_PATH_MAX + 1];
        snprintf(path, sizeof path, "%s%s%s", strcmp(folder, ".") == 0 ? "" : folder,
                 strcmp(folder, ".") == 0 ? "" : "/", names.name[i]);
        if (fs_path_unlink(fs, path) != OK)
            folder_clear(fs, path);
    }
    fs_names_fini(&names);
}

static int side_end(void **state)
{
    struct side *side = *state;
    if (side->is_real) {
        folder_clear(side->fs, ".");
        char folder[80];
        snprintf(folder, sizeof folder, "%s/sub", side->root);
        (void)rmdir(folder);
        (void)rmdir(side->root);
    }
    fs_free(side->fs);
    fs_sim_free(side->sim);
    free(side);
    return 0;
}

static struct fs *fs_of(void **state)
{
    return ((struct side *)*state)->fs;
}

static void test_create_write_read(void **state)
{
    struct fs *fs = fs_of(state);
    struct fs_file *file;
    assert_int_equal(fs_file_create(fs, "a", &file), OK);
    assert_int_equal(fs_file_write(file, 5000, slice_of_text("tail")), OK);
    struct slice parts[3] = {slice_of_text("one"), slice_of(NULL, 0), slice_of_text("two")};
    assert_int_equal(fs_file_writev(file, 0, parts, 3), OK);
    uint64_t size;
    assert_int_equal(fs_file_size(file, &size), OK);
    assert_int_equal(size, 5004);
    uint8_t bytes[16];
    size_t got;
    assert_int_equal(fs_file_read(file, 0, bytes, 8, &got), OK);
    assert_int_equal(got, 8);
    assert_memory_equal(bytes, "onetwo\0\0", 8);
    assert_int_equal(fs_file_read(file, 4998, bytes, sizeof bytes, &got), OK);
    assert_int_equal(got, 6);
    assert_memory_equal(bytes, "\0\0tail", 6);
    assert_int_equal(fs_file_read(file, 9000, bytes, sizeof bytes, &got), OK);
    assert_int_equal(got, 0);
    assert_int_equal(fs_file_datasync(file), OK);
    assert_int_equal(fs_file_writeback_start(file, 0, 5004), OK);
    fs_file_cache_drop(file, 0, 5004);
    assert_int_equal(fs_file_read(file, 0, bytes, 8, &got), OK);
    assert_memory_equal(bytes, "onetwo\0\0", 8);
    fs_file_close(&file);
    assert_null(file);
    assert_int_equal(fs_dir_sync(fs, "."), OK);
}

static void test_open_modes(void **state)
{
    struct fs *fs = fs_of(state);
    struct fs_file *file;
    assert_int_equal(fs_file_open(fs, "a", FS_READ, &file), ERR_MISSING);
    assert_int_equal(fs_file_create(fs, "a", &file), OK);
    fs_file_close(&file);
    assert_int_equal(fs_file_create(fs, "a", &file), ERR_EXISTS);
    assert_int_equal(fs_file_create(fs, "none/a", &file), ERR_MISSING);
    assert_int_equal(fs_file_open(fs, "a", FS_READ, &file), OK);
    assert_int_equal(fs_file_write(file, 0, slice_of_text("x")), ERR_IO);
    fs_file_close(&file);
    assert_int_equal(fs_dir_make(fs, "sub"), OK);
    assert_int_equal(fs_dir_make(fs, "sub"), ERR_EXISTS);
    assert_int_equal(fs_file_open(fs, "sub", FS_READ, &file), ERR_IO);
    assert_int_equal(fs_path_exists(fs, "sub"), OK);
    assert_int_equal(fs_path_exists(fs, "sub/x"), ERR_MISSING);
}

static void test_paths_are_checked(void **state)
{
    struct fs *fs = fs_of(state);
    struct fs_file *file;
    static const char *const bad[] = {"", "/a", "a/", "a//b", "./a", "a/.", "..", "a/../b", "."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(fs_file_create(fs, bad[i], &file), ERR_ARGUMENT);
    char path[FS_PATH_MAX + 2];
    memset(path, 'a', sizeof path);
    path[FS_PATH_MAX + 1] = 0;
    assert_int_equal(fs_file_create(fs, path, &file), ERR_ARGUMENT);
    path[FS_PATH_MAX] = 0;
    assert_int_equal(fs_file_create(fs, path, &file), OK);
    assert_int_equal(fs_file_write(file, UINT64_MAX - 1, slice_of_text("abc")), ERR_ARGUMENT);
    fs_file_close(&file);
}

static void test_allocate_and_truncate(void **state)
{
    struct fs *fs = fs_of(state);
    struct fs_file *file;
    uint64_t size;
    assert_int_equal(fs_file_create(fs, "a", &file), OK);
    assert_int_equal(fs_file_allocate(file, 0, 1 << 20), OK);
    assert_int_equal(fs_file_size(file, &size), OK);
    assert_int_equal(size, 1 << 20);
    assert_int_equal(fs_file_write(file, 100, slice_of_text("abcdef")), OK);
    assert_int_equal(fs_file_allocate(file, 0, 4096), OK);
    assert_int_equal(fs_file_truncate(file, 103), OK);
    assert_int_equal(fs_file_truncate(file, 200), OK);
    uint8_t bytes[8];
    size_t got;
    assert_int_equal(fs_file_read(file, 99, bytes, 8, &got), OK);
    assert_int_equal(got, 8);
    assert_memory_equal(bytes, "\0abc\0\0\0\0", 8);
    fs_file_close(&file);
}

static void test_rename_unlink_list(void **state)
{
    struct fs *fs = fs_of(state);
    struct fs_file *file;
    assert_int_equal(fs_dir_make(fs, "sub"), OK);
    static const char *const names[] = {"zz", "sub/b", "m", "sub/a"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fs_file_create(fs, names[i], &file), OK);
        assert_int_equal(fs_file_write(file, 0, slice_of_text(names[i])), OK);
        fs_file_close(&file);
    }
    assert_int_equal(fs_path_rename(fs, "none", "m"), ERR_MISSING);
    assert_int_equal(fs_path_rename(fs, "m", "none/m"), ERR_MISSING);
    assert_int_equal(fs_path_rename(fs, "sub", "n"), ERR_IO);
    assert_int_equal(fs_path_rename(fs, "m", "sub"), ERR_IO);
    assert_int_equal(fs_path_rename(fs, "m", "sub/b"), OK);
    assert_int_equal(fs_path_unlink(fs, "m"), ERR_MISSING);
    assert_int_equal(fs_path_unlink(fs, "sub"), ERR_IO);
    assert_int_equal(fs_file_open(fs, "sub/b", FS_READ, &file), OK);
    assert_int_equal(fs_path_unlink(fs, "sub/b"), OK);
    uint8_t bytes[4];
    size_t got;
    assert_int_equal(fs_file_read(file, 0, bytes, sizeof bytes, &got), OK);
    assert_int_equal(got, 1);
    assert_int_equal(bytes[0], 'm');
    fs_file_close(&file);

    struct fs_names list;
    assert_int_equal(fs_dir_list(fs, ".", &list), OK);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.name[0], "sub");
    assert_string_equal(list.name[1], "zz");
    fs_names_fini(&list);
    assert_int_equal(fs_dir_list(fs, "sub", &list), OK);
    assert_int_equal(list.count, 1);
    assert_string_equal(list.name[0], "a");
    fs_names_fini(&list);
    assert_int_equal(fs_dir_list(fs, "none", &list), ERR_MISSING);
    assert_int_equal(fs_dir_sync(fs, "none"), ERR_MISSING);
    assert_int_equal(fs_dir_sync(fs, "sub"), OK);
}

static void test_space(void **state)
{
    struct fs_space space;
    assert_int_equal(fs_space_get(fs_of(state), &space), OK);
    assert_true(space.total > 0 && space.free <= space.total);
}

static void test_real_modes_and_links(void **state)
{
    struct side *side = *state;
    struct fs_file *file;
    assert_int_equal(fs_file_create(side->fs, "a", &file), OK);
    fs_file_close(&file);
    assert_int_equal(fs_dir_make(side->fs, "sub"), OK);
    char path[96];
    struct stat status;
    snprintf(path, sizeof path, "%s/a", side->root);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    snprintf(path, sizeof path, "%s/sub", side->root);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    snprintf(path, sizeof path, "%s/link", side->root);
    assert_int_equal(symlink("a", path), 0);
    assert_int_equal(fs_file_open(side->fs, "link", FS_READ, &file), ERR_IO);
    struct fs *missing;
    assert_int_equal(fs_real_new(path, &missing), ERR_IO);
    assert_int_equal(fs_real_new("/nonexistent", &missing), ERR_MISSING);
}

#define ON_BOTH(test)                                                                                        \
    cmocka_unit_test_setup_teardown(test, side_begin_real, side_end),                                        \
        cmocka_unit_test_setup_teardown(test, side_begin_sim, side_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(test_create_write_read),
        ON_BOTH(test_open_modes),
        ON_BOTH(test_paths_are_checked),
        ON_BOTH(test_allocate_and_truncate),
        ON_BOTH(test_rename_unlink_list),
        ON_BOTH(test_space),
        cmocka_unit_test_setup_teardown(test_real_modes_and_links, side_begin_real, side_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
