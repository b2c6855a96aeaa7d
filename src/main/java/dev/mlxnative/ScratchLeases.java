package dev.mlxnative;

import dev.mlxnative.internal.compute.CommandEncoder;
import dev.mlxnative.internal.device.BufferSpec;
import dev.mlxnative.internal.pool.Block;
import dev.mlxnative.internal.pool.PoolEngine;
import dev.mlxnative.internal.pool.PooledOrigin;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/** The scratch memory of a command buffer. Does not keep the command buffer reachable. Thread-safe. */
final class ScratchLeases {
    /** With a capacity: ensureCapacity leaves an empty list without one as it is, and add would need heap. */
    private final ArrayList<MlxBuffer> leases = new ArrayList<>(1);

    private @Nullable PooledOrigin origin;

    /**
     * Leases memory of a pool to the commands.
     *
     * @param isCallStaged whether a kernel call has buffers that the stream does not have yet
     */
    synchronized MlxBuffer lease(PoolEngine pool, BufferSpec spec, CommandEncoder commands, boolean isCallStaged) {
        PooledOrigin from = origin;
        if (from == null) {
            from = PooledOrigin.scratch(pool);
            origin = from;
        }
        leases.ensureCapacity(leases.size() + 1);
        // In a serial part, a command runs after all those before it, and so after those that used the memory.
        boolean isAfterAllUses = !commands.isConcurrent() && !isCallStaged;
        Block block = pool.acquireInOrder(spec.memoryBytes(), commands.use(), isAfterAllUses);
        MlxBuffer buffer = null;
        try {
            buffer = new MlxBuffer(from, block, spec);
            leases.add(buffer);
            return buffer;
        } finally {
            if (buffer == null) {
                pool.abandon(block);
            }
        }
    }

    /** Ends the leases that have not ended; the memory that commands use is parked. */
    synchronized void end() {
        while (!leases.isEmpty()) {
            leases.getLast().close();
            leases.removeLast();
        }
    }
}
