/*
 * Tests a library that implements mlxshim.h and mlxshim_faults.h. It checks everything that the headers promise, and
 * nothing that they leave unspecified. It is linked with that library, and otherwise uses only libc and pthread.
 *
 *   contract_test [ROUNDS]    repeats all tests, so that a leak grows with ROUNDS
 */
#define _GNU_SOURCE

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "mlxshim_faults.h"

#define THREADS 4
#define TEXT_SIZE 1024
#define LARGE (1ULL << 20)
#define LONG_WAIT_MILLIS 60000

/* The value of an out-parameter before a call that must not write it. */
static char untouched_place;
#define UNTOUCHED ((void *)&untouched_place)

/* The device of the current round. Several threads read it. */
static mlxshim_device_t device;

static uint64_t page_size;

/* ---- helpers ---- */

static mlxshim_buffer_t new_buffer(uint64_t length, int32_t storage_mode) {
    mlxshim_buffer_t buffer = NULL;
    CHECK(mlxshim_buffer_create(device, length, storage_mode, MLXSHIM_CPU_CACHE_DEFAULT, &buffer, NULL, 0) ==
          MLXSHIM_OK);
    return buffer;
}

static mlxshim_buffer_t new_shared_buffer(uint64_t length) {
    return new_buffer(length, MLXSHIM_STORAGE_SHARED);
}

static mlxshim_event_t new_event(void) {
    mlxshim_event_t event = NULL;
    CHECK(mlxshim_event_create(device, &event, NULL, 0) == MLXSHIM_OK);
    return event;
}

static mlxshim_residency_set_t new_set(void) {
    mlxshim_residency_set_t set = NULL;
    CHECK(mlxshim_residency_set_create(device, NULL, 0, &set, NULL, 0) == MLXSHIM_OK);
    return set;
}

static void *map_pages(uint64_t length) {
    void *pages = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    CHECK(pages != MAP_FAILED);
    return pages;
}

static bool is_filled(const void *bytes, uint64_t length, unsigned char value) {
    const unsigned char *at = bytes;
    return length == 0 || (at[0] == value && memcmp(at, at + 1, length - 1) == 0);
}

static uint64_t whole_pages(uint64_t length) {
    return (length + page_size - 1) / page_size * page_size;
}

static uint64_t millis_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void in_threads(void *(*body)(void *), void *shared) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, body, shared) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

/* Whether `cut` is `whole`, cut to `capacity` bytes, and the bytes behind them still have their fill value. */
#define FILL '~'
static bool is_cut(const char *cut, const char *whole, uint64_t capacity) {
    uint64_t length = strlen(whole);
    if (length >= capacity) {
        length = capacity == 0 ? 0 : capacity - 1;
        while (length > 0 && ((unsigned char)whole[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    bool written = capacity == 0 || (memcmp(cut, whole, length) == 0 && cut[length] == '\0');
    return written && is_filled(cut + capacity, TEXT_SIZE - capacity, FILL);
}

typedef uint64_t copying_call(mlxshim_buffer_t buffer, char *text, uint64_t capacity);

/* Calls a getter of text with every capacity. Returns the length of the text, and writes the text to `whole`. */
static uint64_t check_text(copying_call *call, mlxshim_buffer_t buffer, char whole[TEXT_SIZE]) {
    uint64_t length = call(buffer, whole, TEXT_SIZE);
    CHECK(length < TEXT_SIZE && length == strlen(whole));
    CHECK(call(buffer, NULL, 0) == length);
    for (uint64_t capacity = 0; capacity <= length + 2; capacity++) {
        char cut[TEXT_SIZE];
        memset(cut, FILL, sizeof cut);
        CHECK(call(buffer, cut, capacity) == length);
        CHECK(is_cut(cut, whole, capacity));
    }
    return length;
}

typedef int32_t failing_call(char *message, uint64_t capacity);

/* Makes a call that must fail with `status`, with every capacity for its message. */
static void check_failure(int32_t status, failing_call *call) {
    char whole[TEXT_SIZE] = "";
    CHECK(call(whole, sizeof whole) == status);
    CHECK(call(NULL, 0) == status);
    uint64_t length = strlen(whole);
    CHECK(length > 0);
    for (uint64_t capacity = 0; capacity <= length + 2; capacity++) {
        char cut[TEXT_SIZE];
        memset(cut, FILL, sizeof cut);
        CHECK(call(cut, capacity) == status);
        CHECK(is_cut(cut, whole, capacity));
    }
}

/* ---- library and device ---- */

static void test_library(void) {
    CHECK(mlxshim_abi_version() == MLXSHIM_ABI_VERSION);
    int32_t backend = mlxshim_backend_kind();
    CHECK(backend == MLXSHIM_BACKEND_HOST || backend == MLXSHIM_BACKEND_METAL);
    CHECK(mlxshim_page_size() == (uint64_t)sysconf(_SC_PAGESIZE));
}

static int32_t open_into_nothing(char *message, uint64_t capacity) {
    return mlxshim_device_open(NULL, message, capacity);
}

static int32_t open_without_device(char *message, uint64_t capacity) {
    mlxshim_device_t opened = UNTOUCHED;
    mlxshim_faults_set_no_device(1);
    int32_t status = mlxshim_device_open(&opened, message, capacity);
    mlxshim_faults_set_no_device(0);
    CHECK(opened == UNTOUCHED);
    return status;
}

static uint64_t copy_device_name(mlxshim_buffer_t unused, char *text, uint64_t capacity) {
    (void)unused;
    return mlxshim_device_name(device, text, capacity);
}

static void test_device(void) {
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, open_into_nothing);
    check_failure(MLXSHIM_ERROR_NO_DEVICE, open_without_device);
    mlxshim_device_release(NULL);

    char message[] = "as it was";
    mlxshim_device_t second = NULL;
    CHECK(mlxshim_device_open(&second, message, sizeof message) == MLXSHIM_OK);
    CHECK(second != NULL && strcmp(message, "as it was") == 0);
    CHECK(mlxshim_faults_live_devices() == 2);
    CHECK(mlxshim_device_registry_id(second) == mlxshim_device_registry_id(device));
    mlxshim_device_release(second);
    CHECK(mlxshim_faults_live_devices() == 1);

    char name[TEXT_SIZE];
    CHECK(check_text(copy_device_name, NULL, name) > 0);
    int32_t unified = mlxshim_device_has_unified_memory(device);
    CHECK(unified == 0 || unified == 1);
    CHECK(mlxshim_device_max_buffer_length(device) >= LARGE);
    CHECK(mlxshim_device_recommended_max_working_set_size(device) >= LARGE);
}

/* ---- buffers ---- */

static int32_t create_into_nothing(char *message, uint64_t capacity) {
    return mlxshim_buffer_create(device, 1, MLXSHIM_STORAGE_SHARED, MLXSHIM_CPU_CACHE_DEFAULT, NULL, message, capacity);
}

static int32_t create_and_expect_none(mlxshim_device_t on, uint64_t length, int32_t storage_mode, int32_t cache_mode,
                                      char *message, uint64_t capacity) {
    mlxshim_buffer_t buffer = UNTOUCHED;
    int32_t status = mlxshim_buffer_create(on, length, storage_mode, cache_mode, &buffer, message, capacity);
    CHECK(buffer == UNTOUCHED);
    return status;
}

static int32_t create_without_device(char *message, uint64_t capacity) {
    return create_and_expect_none(NULL, 1, MLXSHIM_STORAGE_SHARED, MLXSHIM_CPU_CACHE_DEFAULT, message, capacity);
}

static int32_t create_empty(char *message, uint64_t capacity) {
    return create_and_expect_none(device, 0, MLXSHIM_STORAGE_SHARED, MLXSHIM_CPU_CACHE_DEFAULT, message, capacity);
}

static int32_t create_too_large(char *message, uint64_t capacity) {
    return create_and_expect_none(device, mlxshim_device_max_buffer_length(device) + 1, MLXSHIM_STORAGE_SHARED,
                                  MLXSHIM_CPU_CACHE_DEFAULT, message, capacity);
}

static int32_t create_in_unknown_storage(char *message, uint64_t capacity) {
    return create_and_expect_none(device, 1, INT32_MIN, MLXSHIM_CPU_CACHE_DEFAULT, message, capacity);
}

static int32_t create_with_unknown_cache_mode(char *message, uint64_t capacity) {
    return create_and_expect_none(device, 1, MLXSHIM_STORAGE_SHARED, INT32_MAX, message, capacity);
}

static int32_t create_with_empty_result(char *message, uint64_t capacity) {
    mlxshim_faults_set_empty_create(1);
    int32_t status =
        create_and_expect_none(device, 1, MLXSHIM_STORAGE_SHARED, MLXSHIM_CPU_CACHE_DEFAULT, message, capacity);
    mlxshim_faults_set_empty_create(0);
    CHECK(mlxshim_faults_live_buffers() == 0);
    return status;
}

static int32_t create_without_memory(char *message, uint64_t capacity) {
    mlxshim_faults_fail_create(1, 1);
    return create_and_expect_none(device, 1, MLXSHIM_STORAGE_SHARED, MLXSHIM_CPU_CACHE_DEFAULT, message, capacity);
}

static void test_buffer_refused(void) {
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, create_into_nothing);
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, create_without_device);
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, create_empty);
    check_failure(MLXSHIM_ERROR_TOO_LARGE, create_too_large);
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, create_in_unknown_storage);
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, create_with_unknown_cache_mode);
    check_failure(MLXSHIM_ERROR_OUT_OF_MEMORY, create_without_memory);
    check_failure(MLXSHIM_ERROR_UNSUPPORTED, create_with_empty_result);
    CHECK(create_and_expect_none(device, UINT64_MAX, MLXSHIM_STORAGE_SHARED, MLXSHIM_CPU_CACHE_DEFAULT, NULL, 0) ==
          MLXSHIM_ERROR_TOO_LARGE);
    const int32_t unknown[] = {INT32_MIN, -1, 3, 4, INT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        CHECK(create_and_expect_none(device, 1, unknown[i], MLXSHIM_CPU_CACHE_DEFAULT, NULL, 0) ==
              MLXSHIM_ERROR_INVALID_ARGUMENT);
        CHECK(create_and_expect_none(device, 1, MLXSHIM_STORAGE_SHARED, unknown[i], NULL, 0) ==
              MLXSHIM_ERROR_INVALID_ARGUMENT);
    }
    CHECK(create_and_expect_none(device, 1, MLXSHIM_STORAGE_SHARED, 2, NULL, 0) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    mlxshim_buffer_release(NULL);
    CHECK(mlxshim_faults_live_buffers() == 0);
}

static void check_new_buffer(uint64_t length, int32_t storage_mode, int32_t cache_mode) {
    uint64_t before = mlxshim_device_current_allocated_size(device);
    char message[] = "as it was";
    mlxshim_buffer_t buffer = NULL;
    REQUIRE(mlxshim_buffer_create(device, length, storage_mode, cache_mode, &buffer, message, sizeof message) ==
            MLXSHIM_OK);
    CHECK(buffer != NULL && strcmp(message, "as it was") == 0);
    CHECK(mlxshim_faults_live_buffers() == 1);
    CHECK(mlxshim_buffer_length(buffer) == length);
    CHECK(mlxshim_device_current_allocated_size(device) == before + whole_pages(length));
    unsigned char *contents = mlxshim_buffer_contents(buffer);
    CHECK((contents == NULL) == (storage_mode == MLXSHIM_STORAGE_PRIVATE));
    if (contents != NULL) {
        CHECK(is_filled(contents, length, 0));
        /* If storage is recycled without being cleared, the next buffer contains these bytes. */
        memset(contents, 0xA5, length);
        CHECK(is_filled(mlxshim_buffer_contents(buffer), length, 0xA5));
    }
    mlxshim_buffer_release(buffer);
    CHECK(mlxshim_faults_live_buffers() == 0);
    CHECK(mlxshim_device_current_allocated_size(device) == before);
}

static void test_buffer(void) {
    const uint64_t lengths[] = {1, 3000, page_size - 1, page_size, page_size + 1, LARGE};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (int32_t storage = MLXSHIM_STORAGE_SHARED; storage <= MLXSHIM_STORAGE_PRIVATE; storage++) {
            check_new_buffer(lengths[i], storage, MLXSHIM_CPU_CACHE_DEFAULT);
            check_new_buffer(lengths[i], storage, MLXSHIM_CPU_CACHE_WRITE_COMBINED);
        }
    }
}

#define SMALL_BUFFERS 200

/* Releases every second buffer of many, and creates others in their place: each has its own bytes, which begin as 0. */
static void test_small_buffers(void) {
    uint64_t before = mlxshim_device_current_allocated_size(device);
    mlxshim_buffer_t buffers[SMALL_BUFFERS] = {NULL};
    uint64_t bytes = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < SMALL_BUFFERS; i++) {
            uint64_t length = (uint64_t)(i % 5 + 1) * 3000;
            if (buffers[i] == NULL) {
                buffers[i] = new_shared_buffer(length);
                bytes += whole_pages(length);
                CHECK(is_filled(mlxshim_buffer_contents(buffers[i]), length, 0));
                memset(mlxshim_buffer_contents(buffers[i]), i + 1, length);
            }
        }
        CHECK(mlxshim_device_current_allocated_size(device) == before + bytes);
        for (int i = 0; i < SMALL_BUFFERS; i++) {
            uint64_t length = mlxshim_buffer_length(buffers[i]);
            CHECK(is_filled(mlxshim_buffer_contents(buffers[i]), length, (unsigned char)(i + 1)));
            if (i % 2 == 0 || round == 2) {
                mlxshim_buffer_release(buffers[i]);
                buffers[i] = NULL;
                bytes -= whole_pages(length);
            }
        }
        CHECK(mlxshim_device_current_allocated_size(device) == before + bytes);
    }
    CHECK(mlxshim_faults_live_buffers() == 0);
}

static int32_t wrap_and_expect_none(mlxshim_device_t on, void *pages, uint64_t length, char *message,
                                    uint64_t capacity) {
    mlxshim_buffer_t buffer = UNTOUCHED;
    int32_t status = mlxshim_buffer_wrap(on, pages, length, &buffer, message, capacity);
    CHECK(buffer == UNTOUCHED);
    return status;
}

/* The address of a page that is not mapped, for calls that fail before they access it. */
static void *nowhere(void) {
    return (void *)(uintptr_t)page_size;
}

static int32_t wrap_into_nothing(char *message, uint64_t capacity) {
    return mlxshim_buffer_wrap(device, nowhere(), page_size, NULL, message, capacity);
}

static int32_t wrap_nothing(char *message, uint64_t capacity) {
    return wrap_and_expect_none(device, NULL, page_size, message, capacity);
}

static int32_t wrap_within_a_page(char *message, uint64_t capacity) {
    return wrap_and_expect_none(device, (char *)nowhere() + 16, page_size, message, capacity);
}

static int32_t wrap_part_of_a_page(char *message, uint64_t capacity) {
    return wrap_and_expect_none(device, nowhere(), page_size + 1, message, capacity);
}

static int32_t wrap_no_bytes(char *message, uint64_t capacity) {
    return wrap_and_expect_none(device, nowhere(), 0, message, capacity);
}

static int32_t wrap_too_large(char *message, uint64_t capacity) {
    return wrap_and_expect_none(device, nowhere(), whole_pages(mlxshim_device_max_buffer_length(device) + 1), message,
                                capacity);
}

static int32_t wrap_without_memory(char *message, uint64_t capacity) {
    mlxshim_faults_fail_create(1, 1);
    return wrap_and_expect_none(device, nowhere(), page_size, message, capacity);
}

static int32_t wrap_in_a_virtual_machine(char *message, uint64_t capacity) {
    mlxshim_faults_set_empty_wrap(1);
    int32_t status = wrap_and_expect_none(device, nowhere(), page_size, message, capacity);
    mlxshim_faults_set_empty_wrap(0);
    CHECK(mlxshim_faults_live_buffers() == 0);
    return status;
}

static void test_wrap_refused(void) {
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, wrap_into_nothing);
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, wrap_no_bytes);
    check_failure(MLXSHIM_ERROR_MISALIGNED, wrap_nothing);
    check_failure(MLXSHIM_ERROR_MISALIGNED, wrap_within_a_page);
    check_failure(MLXSHIM_ERROR_MISALIGNED, wrap_part_of_a_page);
    check_failure(MLXSHIM_ERROR_TOO_LARGE, wrap_too_large);
    check_failure(MLXSHIM_ERROR_OUT_OF_MEMORY, wrap_without_memory);
    check_failure(MLXSHIM_ERROR_UNSUPPORTED, wrap_in_a_virtual_machine);
    CHECK(wrap_and_expect_none(NULL, nowhere(), page_size, NULL, 0) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(mlxshim_faults_live_buffers() == 0);
}

static void test_wrap(void) {
    uint64_t length = 3 * page_size;
    uint64_t before = mlxshim_device_current_allocated_size(device);
    char *pages = map_pages(length);
    memset(pages, 0x5A, length);
    mlxshim_buffer_t buffer = NULL;
    REQUIRE(mlxshim_buffer_wrap(device, pages, length, &buffer, NULL, 0) == MLXSHIM_OK);
    CHECK(mlxshim_faults_live_buffers() == 1);
    CHECK(mlxshim_buffer_length(buffer) == length);
    CHECK(mlxshim_buffer_contents(buffer) == pages);
    CHECK(is_filled(pages, length, 0x5A));
    CHECK(mlxshim_device_current_allocated_size(device) == before);
    mlxshim_buffer_release(buffer);
    CHECK(mlxshim_faults_live_buffers() == 0);
    CHECK(is_filled(pages, length, 0x5A));
    memset(pages, 0, length);
    CHECK(munmap(pages, length) == 0);
}

/* One character of each UTF-8 length, and then one of the shortest again. */
#define MIXED_LABEL "wé€🍏q"

static void check_label(mlxshim_buffer_t buffer, const char *label) {
    char source[TEXT_SIZE];
    strcpy(source, label);
    CHECK(mlxshim_buffer_set_label(buffer, source) == MLXSHIM_OK);
    memset(source, 'x', strlen(source));
    char text[TEXT_SIZE];
    CHECK(check_text(mlxshim_buffer_label, buffer, text) == strlen(label));
    CHECK(strcmp(text, label) == 0);
}

static void test_label(void) {
    mlxshim_buffer_t buffer = new_shared_buffer(1);
    REQUIRE(buffer != NULL);
    char text[TEXT_SIZE];
    CHECK(check_text(mlxshim_buffer_label, buffer, text) == 0);
    check_label(buffer, "weights");
    check_label(buffer, MIXED_LABEL);
    check_label(buffer, "🍏🍏é");
    check_label(buffer, "");
    check_label(buffer, MIXED_LABEL);
    CHECK(mlxshim_buffer_set_label(buffer, "\xFF") == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(mlxshim_buffer_set_label(buffer, "cut \xE2\x82") == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(mlxshim_buffer_label(buffer, text, sizeof text) == strlen(MIXED_LABEL) && strcmp(text, MIXED_LABEL) == 0);
    CHECK(mlxshim_buffer_set_label(buffer, NULL) == MLXSHIM_OK);
    CHECK(check_text(mlxshim_buffer_label, buffer, text) == 0);
    mlxshim_buffer_release(buffer);
}

static void *relabel(void *buffer) {
    for (int i = 0; i < 200; i++) {
        CHECK(mlxshim_buffer_set_label(buffer, i % 2 == 0 ? MIXED_LABEL : "weights") == MLXSHIM_OK);
        char text[TEXT_SIZE];
        uint64_t length = mlxshim_buffer_label(buffer, text, sizeof text);
        CHECK(length == strlen(text));
        CHECK(strcmp(text, MIXED_LABEL) == 0 || strcmp(text, "weights") == 0);
    }
    return NULL;
}

static void test_label_across_threads(void) {
    mlxshim_buffer_t buffer = new_shared_buffer(1);
    REQUIRE(buffer != NULL);
    in_threads(relabel, buffer);
    mlxshim_buffer_release(buffer);
}

static void test_purgeable_state(void) {
    mlxshim_buffer_t buffer = new_shared_buffer(page_size);
    REQUIRE(buffer != NULL);
    int32_t previous = 0;
    CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_VOLATILE, &previous) == MLXSHIM_OK);
    CHECK(previous == MLXSHIM_PURGEABLE_NON_VOLATILE);
    CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_EMPTY, &previous) == MLXSHIM_OK);
    CHECK(previous == MLXSHIM_PURGEABLE_VOLATILE);
    CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_KEEP_CURRENT, &previous) == MLXSHIM_OK);
    CHECK(previous == MLXSHIM_PURGEABLE_EMPTY);
    CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_NON_VOLATILE, &previous) == MLXSHIM_OK);
    CHECK(previous == MLXSHIM_PURGEABLE_EMPTY);
    const int32_t unknown[] = {INT32_MIN, -1, 0, 5, INT32_MAX};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        previous = 77;
        CHECK(mlxshim_buffer_set_purgeable_state(buffer, unknown[i], &previous) == MLXSHIM_ERROR_INVALID_ARGUMENT);
        CHECK(previous == 77);
    }
    CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_EMPTY, NULL) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_KEEP_CURRENT, &previous) == MLXSHIM_OK);
    CHECK(previous == MLXSHIM_PURGEABLE_NON_VOLATILE);
    mlxshim_buffer_release(buffer);
}

/* Makes a buffer volatile and non-volatile again; returns the state in between. */
static int32_t offer_and_take_back(mlxshim_buffer_t buffer) {
    int32_t previous = 0;
    CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_VOLATILE, &previous) == MLXSHIM_OK);
    CHECK(previous == MLXSHIM_PURGEABLE_NON_VOLATILE);
    CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_NON_VOLATILE, &previous) == MLXSHIM_OK);
    return previous;
}

static void test_volatile_contents(void) {
    mlxshim_buffer_t buffer = new_shared_buffer(page_size);
    mlxshim_buffer_t wrapped = NULL;
    void *page = map_pages(page_size);
    CHECK(mlxshim_buffer_wrap(device, page, page_size, &wrapped, NULL, 0) == MLXSHIM_OK);
    REQUIRE(buffer != NULL && wrapped != NULL);
    unsigned char *contents = mlxshim_buffer_contents(buffer);
    memset(contents, 7, page_size);
    memset(page, 8, page_size);
    CHECK(offer_and_take_back(buffer) == MLXSHIM_PURGEABLE_VOLATILE);
    CHECK(is_filled(contents, page_size, 7));

    mlxshim_faults_set_purging(1);
    CHECK(offer_and_take_back(buffer) == MLXSHIM_PURGEABLE_EMPTY);
    CHECK(is_filled(contents, page_size, 0xCD));
    CHECK(offer_and_take_back(wrapped) == MLXSHIM_PURGEABLE_EMPTY);
    CHECK(is_filled(page, page_size, 8));
    mlxshim_faults_set_purging(0);

    memset(contents, 9, page_size);
    CHECK(offer_and_take_back(buffer) == MLXSHIM_PURGEABLE_VOLATILE);
    CHECK(is_filled(contents, page_size, 9));
    mlxshim_buffer_release(wrapped);
    mlxshim_buffer_release(buffer);
    CHECK(munmap(page, page_size) == 0);
}

static void test_volatile_release(void) {
    mlxshim_buffer_t buffer = new_shared_buffer(page_size);
    uint64_t bytes = mlxshim_device_current_allocated_size(device);
    int32_t previous = 0;
    CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_VOLATILE, &previous) == MLXSHIM_OK);
    CHECK(mlxshim_device_current_allocated_size(device) == bytes);
    mlxshim_buffer_release(buffer);
    CHECK(mlxshim_faults_live_buffers() == 0);
}

static void test_purgeable_state_refused(void) {
    mlxshim_buffer_t buffer = new_shared_buffer(1);
    REQUIRE(buffer != NULL);
    const int32_t states[] = {MLXSHIM_PURGEABLE_VOLATILE, MLXSHIM_PURGEABLE_EMPTY, MLXSHIM_PURGEABLE_NON_VOLATILE};
    for (uint64_t nth = 1; nth <= 4; nth++) {
        for (uint64_t count = 0; count <= 2; count++) {
            int32_t before = MLXSHIM_PURGEABLE_NON_VOLATILE;
            mlxshim_faults_fail_purgeable(nth, count);
            for (uint64_t call = 1; call <= 9; call++) {
                bool fails = call >= nth && call - nth < count;
                int32_t state = states[call % 3];
                int32_t previous = 77;
                CHECK(mlxshim_buffer_set_purgeable_state(buffer, state, &previous) ==
                      (fails ? MLXSHIM_ERROR_UNSUPPORTED : MLXSHIM_OK));
                CHECK(previous == (fails ? 77 : before));
                before = fails ? before : state;
                CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_KEEP_CURRENT, &previous) ==
                      MLXSHIM_OK);
                CHECK(previous == before);
            }
            int32_t last = 0;
            CHECK(mlxshim_buffer_set_purgeable_state(buffer, MLXSHIM_PURGEABLE_NON_VOLATILE, &last) == MLXSHIM_OK);
        }
    }
    mlxshim_buffer_release(buffer);
}

static void *allocate_and_release(void *unused) {
    for (uint64_t i = 1; i <= 50; i++) {
        mlxshim_buffer_t buffer = new_shared_buffer(i * 1000);
        unsigned char *contents = mlxshim_buffer_contents(buffer);
        CHECK(is_filled(contents, i * 1000, 0));
        memset(contents, (int)i, i * 1000);
        mlxshim_event_t event = new_event();
        CHECK(mlxshim_event_signal(event, i) == MLXSHIM_OK);
        CHECK(is_filled(contents, i * 1000, (unsigned char)i));
        mlxshim_event_release(event);
        mlxshim_buffer_release(buffer);
    }
    return unused;
}

static void test_allocation_across_threads(void) {
    uint64_t before = mlxshim_device_current_allocated_size(device);
    in_threads(allocate_and_release, NULL);
    CHECK(mlxshim_device_current_allocated_size(device) == before);
    CHECK(mlxshim_faults_live_buffers() == 0);
    CHECK(mlxshim_faults_live_events() == 0);
}

/* ---- shared events ---- */

static int32_t event_into_nothing(char *message, uint64_t capacity) {
    return mlxshim_event_create(device, NULL, message, capacity);
}

static int32_t event_and_expect_none(mlxshim_device_t on, char *message, uint64_t capacity) {
    mlxshim_event_t event = UNTOUCHED;
    int32_t status = mlxshim_event_create(on, &event, message, capacity);
    CHECK(event == UNTOUCHED);
    return status;
}

static int32_t event_without_device(char *message, uint64_t capacity) {
    return event_and_expect_none(NULL, message, capacity);
}

static int32_t event_without_memory(char *message, uint64_t capacity) {
    mlxshim_faults_fail_create(1, 1);
    return event_and_expect_none(device, message, capacity);
}

static void test_event(void) {
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, event_into_nothing);
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, event_without_device);
    check_failure(MLXSHIM_ERROR_OUT_OF_MEMORY, event_without_memory);
    mlxshim_event_release(NULL);

    char message[] = "as it was";
    mlxshim_event_t event = NULL;
    REQUIRE(mlxshim_event_create(device, &event, message, sizeof message) == MLXSHIM_OK);
    CHECK(event != NULL && strcmp(message, "as it was") == 0);
    CHECK(mlxshim_faults_live_events() == 1);
    CHECK(mlxshim_event_signaled_value(event) == 0);
    CHECK(mlxshim_event_wait(event, 0, 0) == MLXSHIM_OK);
    CHECK(mlxshim_event_wait(event, 1, 0) == MLXSHIM_ERROR_TIMEOUT);
    CHECK(mlxshim_event_signal(event, 5) == MLXSHIM_OK);
    CHECK(mlxshim_event_signal(event, 5) == MLXSHIM_OK);
    CHECK(mlxshim_event_signal(event, 4) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(mlxshim_event_signaled_value(event) == 5);
    CHECK(mlxshim_event_wait(event, 5, 0) == MLXSHIM_OK);
    CHECK(mlxshim_event_wait(event, 3, UINT64_MAX) == MLXSHIM_OK);

    uint64_t started = millis_now();
    CHECK(mlxshim_event_wait(event, 6, 20) == MLXSHIM_ERROR_TIMEOUT);
    uint64_t waited = millis_now() - started;
    CHECK(waited >= 19 && waited < LONG_WAIT_MILLIS);

    CHECK(mlxshim_event_signal(event, UINT64_MAX) == MLXSHIM_OK);
    CHECK(mlxshim_event_signaled_value(event) == UINT64_MAX);
    CHECK(mlxshim_event_wait(event, UINT64_MAX, 0) == MLXSHIM_OK);
    CHECK(mlxshim_event_signal(event, 0) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    mlxshim_event_release(event);
    CHECK(mlxshim_faults_live_events() == 0);
}

#define EXCHANGES 100

struct exchange {
    mlxshim_event_t ping;
    mlxshim_event_t pong;
};

static void *answer(void *shared) {
    struct exchange *exchange = shared;
    for (uint64_t i = 1; i <= EXCHANGES; i++) {
        CHECK(mlxshim_event_wait(exchange->ping, i, UINT64_MAX) == MLXSHIM_OK);
        CHECK(mlxshim_event_signal(exchange->pong, i) == MLXSHIM_OK);
    }
    return NULL;
}

static void test_event_between_threads(void) {
    struct exchange exchange = {.ping = new_event(), .pong = new_event()};
    REQUIRE(exchange.ping != NULL && exchange.pong != NULL);
    pthread_t answering;
    REQUIRE(pthread_create(&answering, NULL, answer, &exchange) == 0);
    for (uint64_t i = 1; i <= EXCHANGES; i++) {
        CHECK(mlxshim_event_signal(exchange.ping, i) == MLXSHIM_OK);
        CHECK(mlxshim_event_wait(exchange.pong, i, LONG_WAIT_MILLIS) == MLXSHIM_OK);
    }
    CHECK(pthread_join(answering, NULL) == 0);
    CHECK(mlxshim_event_signaled_value(exchange.pong) == EXCHANGES);
    mlxshim_event_release(exchange.ping);
    mlxshim_event_release(exchange.pong);
}

static void *wait_for_one(void *event) {
    CHECK(mlxshim_event_wait(event, 1, LONG_WAIT_MILLIS) == MLXSHIM_OK);
    return NULL;
}

static void *signal_one(void *event) {
    /* Usually long enough for the waiting threads to block. */
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    CHECK(mlxshim_event_signal(event, 1) == MLXSHIM_OK);
    return NULL;
}

static void test_event_wakes_every_waiter(void) {
    mlxshim_event_t event = new_event();
    REQUIRE(event != NULL);
    pthread_t signalling;
    REQUIRE(pthread_create(&signalling, NULL, signal_one, event) == 0);
    in_threads(wait_for_one, event);
    CHECK(pthread_join(signalling, NULL) == 0);
    mlxshim_event_release(event);
}

/* ---- residency sets ---- */

static int32_t set_into_nothing(char *message, uint64_t capacity) {
    return mlxshim_residency_set_create(device, NULL, 0, NULL, message, capacity);
}

static int32_t set_and_expect_none(mlxshim_device_t on, const char *label, char *message, uint64_t capacity) {
    mlxshim_residency_set_t set = UNTOUCHED;
    int32_t status = mlxshim_residency_set_create(on, label, 0, &set, message, capacity);
    CHECK(set == UNTOUCHED);
    return status;
}

static int32_t set_without_device(char *message, uint64_t capacity) {
    return set_and_expect_none(NULL, NULL, message, capacity);
}

static int32_t set_with_bad_label(char *message, uint64_t capacity) {
    return set_and_expect_none(device, "\xFF", message, capacity);
}

static int32_t set_without_memory(char *message, uint64_t capacity) {
    mlxshim_faults_fail_create(1, 1);
    return set_and_expect_none(device, MIXED_LABEL, message, capacity);
}

static int32_t set_on_an_old_system(char *message, uint64_t capacity) {
    mlxshim_faults_set_no_residency_sets(1);
    int32_t status = set_and_expect_none(device, NULL, message, capacity);
    mlxshim_faults_set_no_residency_sets(0);
    return status;
}

static int32_t set_on_an_old_gpu(char *message, uint64_t capacity) {
    mlxshim_faults_set_no_residency_sets(2);
    int32_t status = set_and_expect_none(device, NULL, message, capacity);
    mlxshim_faults_set_no_residency_sets(0);
    return status;
}

static void test_residency_set_refused(void) {
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, set_into_nothing);
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, set_without_device);
    check_failure(MLXSHIM_ERROR_INVALID_ARGUMENT, set_with_bad_label);
    check_failure(MLXSHIM_ERROR_OUT_OF_MEMORY, set_without_memory);
    check_failure(MLXSHIM_ERROR_UNSUPPORTED, set_on_an_old_system);
    check_failure(MLXSHIM_ERROR_UNSUPPORTED, set_on_an_old_gpu);
    mlxshim_residency_set_release(NULL);
    CHECK(mlxshim_faults_live_residency_sets() == 0);
}

static void check_members(mlxshim_residency_set_t set, uint64_t count, uint64_t bytes) {
    CHECK(mlxshim_residency_set_commit(set) == MLXSHIM_OK);
    CHECK(mlxshim_residency_set_count(set) == count);
    CHECK(mlxshim_residency_set_allocated_size(set) >= bytes);
}

static void check_residency_set(const char *label, uint64_t initial_capacity) {
    char message[] = "as it was";
    mlxshim_residency_set_t set = NULL;
    REQUIRE(mlxshim_residency_set_create(device, label, initial_capacity, &set, message, sizeof message) ==
            MLXSHIM_OK);
    CHECK(set != NULL && strcmp(message, "as it was") == 0);
    CHECK(mlxshim_faults_live_residency_sets() == 1);
    CHECK(mlxshim_residency_set_count(set) == 0);
    mlxshim_buffer_t small = new_shared_buffer(3000);
    mlxshim_buffer_t large = new_buffer(LARGE, MLXSHIM_STORAGE_PRIVATE);
    REQUIRE(small != NULL && large != NULL);
    CHECK(mlxshim_residency_set_add(set, NULL) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(mlxshim_residency_set_remove(set, NULL) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    check_members(set, 0, 0);
    CHECK(mlxshim_residency_set_add(set, small) == MLXSHIM_OK);
    CHECK(mlxshim_residency_set_add(set, large) == MLXSHIM_OK);
    check_members(set, 2, 3000 + LARGE);
    CHECK(mlxshim_residency_set_add(set, small) == MLXSHIM_OK);
    check_members(set, 2, 3000 + LARGE);
    mlxshim_residency_set_request(set);
    mlxshim_residency_set_end(set);
    CHECK(mlxshim_residency_set_remove(set, large) == MLXSHIM_OK);
    check_members(set, 1, 3000);
    CHECK(mlxshim_residency_set_add(set, large) == MLXSHIM_OK);
    check_members(set, 2, 3000 + LARGE);
    CHECK(mlxshim_residency_set_remove(set, large) == MLXSHIM_OK);
    CHECK(mlxshim_residency_set_remove(set, small) == MLXSHIM_OK);
    check_members(set, 0, 0);
    mlxshim_buffer_release(small);
    mlxshim_buffer_release(large);
    mlxshim_residency_set_release(set);
    CHECK(mlxshim_faults_live_residency_sets() == 0);
    CHECK(mlxshim_faults_live_buffers() == 0);
}

static void test_residency_set(void) {
    check_residency_set(NULL, 0);
    check_residency_set(MIXED_LABEL, 2);
    check_residency_set("", UINT64_MAX);
}

#define OWN_MEMBERS 8

static void *add_and_remove(void *set) {
    mlxshim_buffer_t own[OWN_MEMBERS];
    for (int i = 0; i < OWN_MEMBERS; i++) {
        own[i] = new_shared_buffer(1);
    }
    for (int round = 0; round < 25; round++) {
        for (int i = 0; i < OWN_MEMBERS; i++) {
            CHECK(mlxshim_residency_set_add(set, own[i]) == MLXSHIM_OK);
        }
        CHECK(mlxshim_residency_set_commit(set) == MLXSHIM_OK);
        CHECK(mlxshim_residency_set_count(set) >= OWN_MEMBERS);
        CHECK(mlxshim_residency_set_allocated_size(set) >= OWN_MEMBERS);
        mlxshim_residency_set_request(set);
        mlxshim_residency_set_end(set);
        for (int i = 0; i < OWN_MEMBERS; i++) {
            CHECK(mlxshim_residency_set_remove(set, own[i]) == MLXSHIM_OK);
        }
        CHECK(mlxshim_residency_set_commit(set) == MLXSHIM_OK);
    }
    for (int i = 0; i < OWN_MEMBERS; i++) {
        mlxshim_buffer_release(own[i]);
    }
    return NULL;
}

static void test_residency_set_across_threads(void) {
    mlxshim_residency_set_t set = new_set();
    REQUIRE(set != NULL);
    in_threads(add_and_remove, set);
    check_members(set, 0, 0);
    mlxshim_residency_set_release(set);
}

/* ---- lifetimes ---- */

static void test_device_released_first(void) {
    mlxshim_device_t round_device = device;
    REQUIRE(mlxshim_device_open(&device, NULL, 0) == MLXSHIM_OK);
    mlxshim_buffer_t buffer = new_shared_buffer(page_size);
    mlxshim_event_t event = new_event();
    mlxshim_residency_set_t set = new_set();
    REQUIRE(buffer != NULL && event != NULL && set != NULL);
    mlxshim_device_release(device);
    device = round_device;
    CHECK(mlxshim_faults_live_devices() == 1);
    memset(mlxshim_buffer_contents(buffer), 1, page_size);
    CHECK(mlxshim_event_signal(event, 1) == MLXSHIM_OK);
    CHECK(mlxshim_residency_set_add(set, buffer) == MLXSHIM_OK);
    check_members(set, 1, page_size);
    CHECK(mlxshim_residency_set_remove(set, buffer) == MLXSHIM_OK);
    check_members(set, 0, 0);
    mlxshim_residency_set_release(set);
    mlxshim_event_release(event);
    mlxshim_buffer_release(buffer);
}

/* ---- faults ---- */

enum creating { CREATE_BUFFER, WRAP_PAGES, CREATE_EVENT, CREATE_SET, CREATING_CALLS };

static int32_t create(enum creating what, void *page, void **out) {
    switch (what) {
        case CREATE_BUFFER:
            return mlxshim_buffer_create(device, 1, MLXSHIM_STORAGE_SHARED, MLXSHIM_CPU_CACHE_DEFAULT,
                                         (mlxshim_buffer_t *)out, NULL, 0);
        case WRAP_PAGES:
            return mlxshim_buffer_wrap(device, page, page_size, (mlxshim_buffer_t *)out, NULL, 0);
        case CREATE_EVENT:
            return mlxshim_event_create(device, (mlxshim_event_t *)out, NULL, 0);
        default:
            return mlxshim_residency_set_create(device, NULL, 0, (mlxshim_residency_set_t *)out, NULL, 0);
    }
}

static void release(enum creating what, void *handle) {
    if (what == CREATE_EVENT) {
        mlxshim_event_release(handle);
    } else if (what == CREATE_SET) {
        mlxshim_residency_set_release(handle);
    } else {
        mlxshim_buffer_release(handle);
    }
}

static uint64_t live_handles(void) {
    return mlxshim_faults_live_buffers() + mlxshim_faults_live_events() + mlxshim_faults_live_residency_sets();
}

static void check_create(enum creating what, void *page, int32_t status) {
    void *handle = UNTOUCHED;
    CHECK(create(what, page, &handle) == status);
    CHECK((handle == UNTOUCHED) == (status != MLXSHIM_OK));
    CHECK(live_handles() == (status == MLXSHIM_OK ? 1 : 0));
    if (status == MLXSHIM_OK) {
        release(what, handle);
    }
    CHECK(live_handles() == 0);
}

/* Repeats a sequence of all creating calls, with each first failing call and each number of failing calls. */
static void test_nth_create_fails(void) {
    void *page = map_pages(page_size);
    for (uint64_t nth = 1; nth <= 2 * CREATING_CALLS; nth++) {
        for (uint64_t count = 0; count <= CREATING_CALLS; count++) {
            mlxshim_faults_fail_create(nth, count);
            for (uint64_t call = 1; call <= 3 * CREATING_CALLS; call++) {
                bool fails = call >= nth && call - nth < count;
                check_create((enum creating)(call % CREATING_CALLS), page,
                             fails ? MLXSHIM_ERROR_OUT_OF_MEMORY : MLXSHIM_OK);
            }
        }
    }

    mlxshim_faults_fail_create(1, 1);
    mlxshim_device_t second = NULL;
    CHECK(mlxshim_device_open(&second, NULL, 0) == MLXSHIM_OK);
    mlxshim_device_release(second);
    CHECK(create_empty(NULL, 0) == MLXSHIM_ERROR_INVALID_ARGUMENT);
    CHECK(set_on_an_old_system(NULL, 0) == MLXSHIM_ERROR_UNSUPPORTED);
    check_create(CREATE_EVENT, page, MLXSHIM_ERROR_OUT_OF_MEMORY);

    mlxshim_faults_fail_create(2, 1);
    CHECK(wrap_in_a_virtual_machine(NULL, 0) == MLXSHIM_ERROR_UNSUPPORTED);
    check_create(CREATE_BUFFER, page, MLXSHIM_ERROR_OUT_OF_MEMORY);
    check_create(CREATE_BUFFER, page, MLXSHIM_OK);
    CHECK(munmap(page, page_size) == 0);
}

static void test_byte_budget(void) {
    void *page = map_pages(page_size);
    mlxshim_buffer_t buffer = new_shared_buffer(page_size);
    mlxshim_faults_set_byte_budget(mlxshim_device_current_allocated_size(device) + page_size);
    CHECK(create_and_expect_none(device, page_size + 1, MLXSHIM_STORAGE_PRIVATE, MLXSHIM_CPU_CACHE_DEFAULT, NULL, 0) ==
          MLXSHIM_ERROR_OUT_OF_MEMORY);
    mlxshim_buffer_t last = new_buffer(page_size, MLXSHIM_STORAGE_PRIVATE);
    CHECK(create_and_expect_none(device, 1, MLXSHIM_STORAGE_SHARED, MLXSHIM_CPU_CACHE_DEFAULT, NULL, 0) ==
          MLXSHIM_ERROR_OUT_OF_MEMORY);
    mlxshim_buffer_t wrapped = NULL;
    CHECK(mlxshim_buffer_wrap(device, page, page_size, &wrapped, NULL, 0) == MLXSHIM_OK);
    mlxshim_event_release(new_event());
    mlxshim_buffer_release(wrapped);
    mlxshim_buffer_release(last);
    mlxshim_buffer_release(new_shared_buffer(page_size));
    mlxshim_buffer_release(buffer);
    CHECK(munmap(page, page_size) == 0);
}

static void test_faults_cleared(void) {
    mlxshim_faults_set_no_device(1);
    mlxshim_faults_set_byte_budget(0);
    mlxshim_faults_fail_create(1, 1000);
    mlxshim_faults_set_no_residency_sets(1);
    mlxshim_faults_set_empty_create(1);
    mlxshim_faults_set_empty_wrap(1);
    mlxshim_faults_set_purging(1);
    mlxshim_faults_fail_purgeable(2, 1000);
    mlxshim_faults_clear();
    mlxshim_device_t second = NULL;
    CHECK(mlxshim_device_open(&second, NULL, 0) == MLXSHIM_OK);
    mlxshim_device_release(second);
    void *page = map_pages(page_size);
    for (int what = 0; what < CREATING_CALLS; what++) {
        check_create((enum creating)what, page, MLXSHIM_OK);
    }
    mlxshim_buffer_t buffer = new_shared_buffer(1);
    CHECK(offer_and_take_back(buffer) == MLXSHIM_PURGEABLE_VOLATILE);
    mlxshim_buffer_release(buffer);
    CHECK(munmap(page, page_size) == 0);
}

/* ---- rounds ---- */

static void run_round(void) {
    mlxshim_faults_clear();
    REQUIRE(mlxshim_device_open(&device, NULL, 0) == MLXSHIM_OK);
    CHECK(mlxshim_faults_live_devices() == 1);
    uint64_t before = mlxshim_device_current_allocated_size(device);

    test_library();
    test_device();
    test_buffer_refused();
    test_buffer();
    test_small_buffers();
    test_wrap_refused();
    test_wrap();
    test_label();
    test_label_across_threads();
    test_purgeable_state();
    test_volatile_contents();
    test_volatile_release();
    test_purgeable_state_refused();
    test_allocation_across_threads();
    test_event();
    test_event_between_threads();
    test_event_wakes_every_waiter();
    test_residency_set_refused();
    test_residency_set();
    test_residency_set_across_threads();
    test_device_released_first();
    test_nth_create_fails();
    test_byte_budget();
    mlxshim_faults_clear();
    test_faults_cleared();

    CHECK(live_handles() == 0);
    CHECK(mlxshim_device_current_allocated_size(device) == before);
    mlxshim_device_release(device);
    CHECK(mlxshim_faults_live_devices() == 0);
}

/* Kilobytes that the process has mapped for its data, including buffers; 0 on systems without /proc/self/statm. */
static unsigned long mapped_kilobytes(void) {
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm != NULL) {
        if (fscanf(statm, "%*u %*u %*u %*u %*u %lu", &pages) != 1) {
            pages = 0;
        }
        fclose(statm);
    }
    return pages * (page_size / 1024);
}

int main(int count, char **arguments) {
    page_size = mlxshim_page_size();
    int rounds = count > 1 ? atoi(arguments[1]) : 1;
    for (int round = 0; round < rounds; round++) {
        run_round();
    }
    printf("mlxshim contract: %lu passed, %lu failed (%d rounds, %lu kB mapped at the end)\n", checks_passed,
           checks_failed, rounds, mapped_kilobytes());
    /* A sanitizer that finds an error at exit ends the process before it flushes the output. */
    fflush(stdout);
    return checks_failed == 0 && rounds > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
