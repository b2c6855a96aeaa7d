package dev.mlxnative.internal.shim;

import dev.mlxnative.internal.shim.ffi.mlxshim_h;

/** The numbers in a command stream, whose layout is in {@code mlxshim.h}. */
public final class CommandLayout {
    public static final int DISPATCH = mlxshim_h.MLXSHIM_COMMAND_DISPATCH();
    public static final int COPY = mlxshim_h.MLXSHIM_COMMAND_COPY();
    public static final int FILL = mlxshim_h.MLXSHIM_COMMAND_FILL();
    public static final int SIGNAL = mlxshim_h.MLXSHIM_COMMAND_SIGNAL();
    public static final int WAIT = mlxshim_h.MLXSHIM_COMMAND_WAIT();
    public static final int BARRIER = mlxshim_h.MLXSHIM_COMMAND_BARRIER();
    public static final int CONCURRENT = mlxshim_h.MLXSHIM_COMMAND_CONCURRENT();

    public static final int BIND_BUFFER = mlxshim_h.MLXSHIM_BIND_BUFFER();
    public static final int BIND_BYTES = mlxshim_h.MLXSHIM_BIND_BYTES();
    public static final int BIND_THREADGROUP = mlxshim_h.MLXSHIM_BIND_THREADGROUP();

    public static final int GRID_OF_THREADS = mlxshim_h.MLXSHIM_DISPATCH_THREADS();
    public static final int GRID_OF_THREADGROUPS = mlxshim_h.MLXSHIM_DISPATCH_THREADGROUPS();

    /** Indices of buffers, and of threadgroup memory, are below this. */
    public static final int ARGUMENTS =
            Math.min(mlxshim_h.MLXSHIM_BUFFER_ARGUMENTS(), mlxshim_h.MLXSHIM_THREADGROUP_ARGUMENTS());

    /** The most bytes of a constant. */
    public static final int MAX_CONSTANT_BYTES = mlxshim_h.MLXSHIM_MAX_BYTES();

    private CommandLayout() {}
}
