/* The objects of the host shim that commands name. */
#ifndef MLXSHIM_HOST_COMPUTE_H
#define MLXSHIM_HOST_COMPUTE_H

#include "compute.h"
#include "mlxshim_host.h"

/* Metal's limits on the machines that it runs on: kernels that exceed them would not run there. */
#define HOST_MAX_THREADGROUP_MEMORY 32768

struct mlxshim_pipeline {
    struct msl_kernel *kernel;
};

struct mlxshim_queue {
    struct compute_queue *queue;
};

#endif
