/*
 * Tests that a shim may be closed: one that runs threads stays loaded, also after its file is deleted, which is what
 * the Java library does. Any other is unloaded.
 *
 *   unload_test LIBRARY    a copy of the host shim, which the test deletes
 */
#define _GNU_SOURCE

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "mlxshim.h"

static bool is_mapped(const char *library) {
    char line[4096];
    bool mapped = false;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        mapped = mapped || strstr(line, library) != NULL;
    }
    CHECK(maps != NULL && fclose(maps) == 0);
    return mapped;
}

typedef int32_t open_device(mlxshim_device_t *out_device, char *message, uint64_t message_capacity);
typedef int32_t create_queue(mlxshim_device_t device, const char *label, uint64_t max_command_buffers,
                             mlxshim_queue_t *out_queue, char *message, uint64_t message_capacity);

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "";
    void *library = dlopen(path, RTLD_NOW);
    CHECK(library != NULL && is_mapped(path));
    CHECK(dlclose(library) == 0 && !is_mapped(path));

    library = dlopen(path, RTLD_NOW);
    CHECK(library != NULL && unlink(path) == 0);
    open_device *open = (open_device *)dlsym(library, "mlxshim_device_open");
    create_queue *create = (create_queue *)dlsym(library, "mlxshim_queue_create");
    mlxshim_device_t device = NULL;
    mlxshim_queue_t queue = NULL;
    CHECK(open != NULL && open(&device, NULL, 0) == MLXSHIM_OK);
    CHECK(create != NULL && create(device, NULL, 1, &queue, NULL, 0) == MLXSHIM_OK);
    CHECK(dlclose(library) == 0 && is_mapped(path));
    printf("%lu checks passed, %lu failed\n", atomic_load(&checks_passed), atomic_load(&checks_failed));
    return atomic_load(&checks_failed) == 0 ? 0 : 1;
}
