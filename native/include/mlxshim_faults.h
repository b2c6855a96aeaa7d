/*
 * What the test builds of a shim export beside mlxshim.h: faults on demand, and an account of what is alive. A library
 * that is shipped has none of these functions, so no setting of a production machine can switch a fault on.
 */
#ifndef MLXSHIM_FAULTS_H
#define MLXSHIM_FAULTS_H

#include "mlxshim.h"

#if defined(__cplusplus)
extern "C" {
#endif

/* No fault: what a library starts with. Forgets every fault that was set. */
MLXSHIM_API void mlxshim_faults_clear(void);

/* From here on there is no device (1), or there is one again (0). Open devices stay. */
MLXSHIM_API void mlxshim_faults_set_no_device(int32_t absent);

/* Creating or wrapping a buffer fails while it would take the bytes alive above `bytes`. */
MLXSHIM_API void mlxshim_faults_set_byte_budget(uint64_t bytes);

/*
 * The `nth` creating call from here, counted from 1 over buffers, events and residency sets, fails as if the device had
 * no memory left, and so do the `count` - 1 calls after it.
 */
MLXSHIM_API void mlxshim_faults_fail_create(uint64_t nth, uint64_t count);

/* From here on the system is too old for residency sets (1), or the GPU is (2), or neither (0). Sets that exist stay. */
MLXSHIM_API void mlxshim_faults_set_no_residency_sets(int32_t cause);

/*
 * Creating, or wrapping, comes to a buffer of length 0 (1), as wrapping does in some virtual machines, and has to be
 * refused as MLXSHIM_ERROR_UNSUPPORTED; or it works again (0). Such a call counts as a creating one all the same.
 */
MLXSHIM_API void mlxshim_faults_set_empty_create(int32_t empty);
MLXSHIM_API void mlxshim_faults_set_empty_wrap(int32_t empty);

/* Handles that were created and not yet given back. */
MLXSHIM_API uint64_t mlxshim_faults_live_devices(void);
MLXSHIM_API uint64_t mlxshim_faults_live_buffers(void);
MLXSHIM_API uint64_t mlxshim_faults_live_events(void);
MLXSHIM_API uint64_t mlxshim_faults_live_residency_sets(void);

#if defined(__cplusplus)
}
#endif

#endif
