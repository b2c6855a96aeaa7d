/*
 * Functions that only the test builds of a shim export, besides mlxshim.h: faults on demand, and counts of live
 * handles. The libraries of a release do not have them, so no setting of a production machine can cause a fault.
 */
#ifndef MLXSHIM_FAULTS_H
#define MLXSHIM_FAULTS_H

#include "mlxshim.h"

#if defined(__cplusplus)
extern "C" {
#endif

/* Clears every fault. A library starts without faults. */
MLXSHIM_API void mlxshim_faults_clear(void);

/* Makes mlxshim_device_open find no device (1), or the device again (0). Open devices stay valid. */
MLXSHIM_API void mlxshim_faults_set_no_device(int32_t absent);

/* Makes the creation or wrapping of a buffer fail if the live buffers would then own more than `bytes`. */
MLXSHIM_API void mlxshim_faults_set_byte_budget(uint64_t bytes);

/*
 * Makes `count` successive creating calls fail as if the device had no memory left, from the `nth` on; the next call is
 * number 1. A creating call creates a buffer, an event, a residency set or a queue, wraps pages, compiles a library, makes
 * a pipeline, or submits a command buffer.
 */
MLXSHIM_API void mlxshim_faults_fail_create(uint64_t nth, uint64_t count);

/*
 * Makes the system too old for residency sets (1), or the GPU (2), or neither (0). Existing sets stay valid. The stand-in
 * then also lacks what Metal has only since macOS 14 and 15 (1), or is no GPU of Apple's, and runs only whole threadgroups
 * (2).
 */
MLXSHIM_API void mlxshim_faults_set_no_residency_sets(int32_t cause);

/*
 * Makes the device return buffers of length 0 for creations, or for wraps (1), or usable buffers again (0). Metal
 * returns such a buffer for a wrap in some virtual machines. The shim then has to return MLXSHIM_ERROR_UNSUPPORTED. The
 * call still counts as a creating call.
 */
MLXSHIM_API void mlxshim_faults_set_empty_create(int32_t empty);
MLXSHIM_API void mlxshim_faults_set_empty_wrap(int32_t empty);

/*
 * Makes the system take the contents of each buffer that becomes volatile, at once (1), or never (0). Such contents are
 * 0xCD in every byte.
 */
MLXSHIM_API void mlxshim_faults_set_purging(int32_t purging);

/* Makes `count` successive changes of a purgeable state fail, from the `nth` on; the next change is number 1. */
MLXSHIM_API void mlxshim_faults_fail_purgeable(uint64_t nth, uint64_t count);

/*
 * Makes the command buffers that are submitted from now on end with a failure, MLXSHIM_FAILURE_*, after their commands
 * have run; NONE lets them complete again.
 */
MLXSHIM_API void mlxshim_faults_set_command_buffer_failure(int32_t failure);

/*
 * Holds the command buffers of all queues back before they run (1), or lets them run (0), so that a test knows that
 * work is in flight.
 */
MLXSHIM_API void mlxshim_faults_hold_queues(int32_t held);

/*
 * Makes kernels that run on the CPU, which are those of the host and of the stand-in, time out after so many
 * milliseconds; 0 restores the default.
 */
MLXSHIM_API void mlxshim_faults_set_kernel_timeout(uint64_t millis);

/* Live handles: created and not yet released. */
MLXSHIM_API uint64_t mlxshim_faults_live_devices(void);
MLXSHIM_API uint64_t mlxshim_faults_live_buffers(void);
MLXSHIM_API uint64_t mlxshim_faults_live_events(void);
MLXSHIM_API uint64_t mlxshim_faults_live_residency_sets(void);
MLXSHIM_API uint64_t mlxshim_faults_live_libraries(void);
MLXSHIM_API uint64_t mlxshim_faults_live_pipelines(void);
MLXSHIM_API uint64_t mlxshim_faults_live_queues(void);
MLXSHIM_API uint64_t mlxshim_faults_live_command_buffers(void);
MLXSHIM_API uint64_t mlxshim_faults_live_texts(void);

#if defined(__cplusplus)
}
#endif

#endif
