/*
 * Runs of zeroed pages from the kernel. Many small runs share a memory map, because Linux limits the maps of a process,
 * and a JVM that gets no map for a new thread aborts. Every function may be called from any thread.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stdint.h>

enum pages_status {
    PAGES_OK,
    PAGES_NO_MEMORY, /* the kernel refuses */
    PAGES_NO_MAPS    /* the maps of all runs are half of kernel_map_limit() */
};

struct slab;

/* Adjacent pages, of which the first `bytes` belong to the owner of the run. */
struct page_run {
    void *start;
    uint64_t bytes;
    struct slab *slab; /* NULL if the run has a map of its own */
};

/* Allocates zeroed pages: `bytes` are whole pages, at least one. Writes `out_run` if it returns PAGES_OK. */
enum pages_status page_run_new(uint64_t bytes, struct page_run *out_run);

/* Frees a run. The kernel has its memory back when this returns. */
void page_run_free(struct page_run run);

/* The memory maps that a process may have: vm.max_map_count on Linux, UINT64_MAX on a system without a limit. */
uint64_t kernel_map_limit(void);

#endif
