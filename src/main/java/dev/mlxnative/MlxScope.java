package dev.mlxnative;

import dev.mlxnative.internal.background.StackReserve;
import dev.mlxnative.internal.background.StackSafeLock;
import dev.mlxnative.internal.device.BufferSpec;
import dev.mlxnative.internal.device.NativeDevice;
import dev.mlxnative.internal.device.Shapes;
import dev.mlxnative.internal.pool.Block;
import dev.mlxnative.internal.pool.LeaseOrigin;
import dev.mlxnative.internal.pool.PoolEngine;
import dev.mlxnative.internal.pool.ScopeLeases;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The leases of one token, request or layer. When the scope closes, all of their memory returns to the pool, and every
 * segment of the scope throws from then on.
 *
 * <p>A scope is an {@link Arena}, so any FFM code can allocate from the pool through it. The pool's {@link Zeroing}
 * decides the contents. Unlike the JDK's arenas, a scope leases memory with the contents of an earlier lease, unless
 * the pool is built with {@link Zeroing#ALWAYS}.
 *
 * <p>A buffer of a scope may be released earlier. Its segments stay accessible until the scope closes, so its memory
 * stays parked until then: a scope never leases the same memory twice.
 */
public final class MlxScope implements Arena {
    private final PoolEngine pool;
    private final MlxDevice device;
    private final Supplier<Arena> arenas;
    private final Arena arena;
    /** Null for a scope of any thread. */
    private final @Nullable Thread confinedTo;

    private final ScopeOrigin origin = new ScopeOrigin(null);
    private final StackSafeLock lock = new StackSafeLock();
    /** Guarded by the lock, or confined to the thread. */
    private final ScopeLeases leases;

    private final Cleaner.@Nullable Cleanable watch;

    private MlxScope(PoolEngine pool, MlxDevice device, Supplier<Arena> arenas, @Nullable Thread confinedTo) {
        this.pool = pool;
        this.device = device;
        this.arenas = arenas;
        this.arena = arenas.get();
        this.confinedTo = confinedTo;
        this.leases = pool.newScopeLeases();
        // Segments and buffers of the scope keep the scope of its arena reachable, and so the leases alive.
        this.watch = pool.watchSample(arena.scope(), leases);
    }

    static MlxScope shared(PoolEngine pool, MlxDevice device) {
        return new MlxScope(pool, device, Arena::ofShared, null);
    }

    static MlxScope confined(PoolEngine pool, MlxDevice device) {
        return new MlxScope(pool, device, Arena::ofConfined, Thread.currentThread());
    }

    /**
     * Leases a buffer that lives at most as long as this scope.
     *
     * @throws IllegalArgumentException if the length or the shape is invalid, as for {@link MlxBufferPool#alloc}
     * @throws BufferAllocationException as for {@link MlxBufferPool#alloc}
     * @throws IllegalStateException if the scope, the pool or the device is closed
     * @throws WrongThreadException if the scope is confined to another thread
     */
    public MlxBuffer alloc(long byteLength, DType dtype, long... shape) {
        BufferSpec spec = device.spec(byteLength, dtype, shape);
        return lease(spec, pool.isChecked() ? new ScopeOrigin(arenas.get()) : origin);
    }

    /** As {@link #alloc(long, DType, long...)}, with exactly the bytes that the shape takes. */
    public MlxBuffer alloc(DType dtype, long... shape) {
        return alloc(Shapes.byteLength(dtype, shape), dtype, shape);
    }

    /**
     * Allocates a segment from the pool, for FFM code of any kind. Each segment is a lease of its own: cut many small
     * ones from a large one, with {@link java.lang.foreign.SegmentAllocator#slicingAllocator}.
     *
     * @throws IllegalArgumentException if the size is negative, the alignment no power of two, or both together above
     *     the device's {@link DeviceInfo#maxBufferLength}
     * @throws BufferAllocationException as for {@link MlxBufferPool#alloc}
     * @throws IllegalStateException if the scope, the pool or the device is closed
     * @throws WrongThreadException if the scope is confined to another thread
     */
    @Override
    public MemorySegment allocate(long byteSize, long byteAlignment) {
        if (byteSize < 0 || byteAlignment < 1 || Long.bitCount(byteAlignment) != 1) {
            throw new IllegalArgumentException(
                    "a size is at least 0 and an alignment a power of two, not " + byteSize + " and " + byteAlignment);
        }
        long needed = pool.bytesFor(Math.max(1, byteSize), byteAlignment);
        device.nativeDevice().requireAllocatable(needed < 0 ? Long.MAX_VALUE : needed);
        MemorySegment segment = lease(BufferSpec.of(DType.U8, needed), origin).segment();
        long misalignment = segment.address() & (byteAlignment - 1);
        return segment.asSlice(misalignment == 0 ? 0 : byteAlignment - misalignment, byteSize);
    }

    private MlxBuffer lease(BufferSpec spec, ScopeOrigin leaseOrigin) {
        requireThread();
        requireOpen();
        // Before the lock: the driver may take its time, and fences are foreign code.
        Block block = pool.acquire(spec.memoryBytes(), leaseOrigin.leaseArena(), false);
        MlxBuffer buffer = null;
        try {
            buffer = issue(spec, leaseOrigin, block);
            return buffer;
        } finally {
            if (buffer == null) {
                pool.abandon(block);
            }
        }
    }

    private MlxBuffer issue(BufferSpec spec, ScopeOrigin leaseOrigin, Block block) {
        lock();
        try {
            requireOpen();
            leases.reserveRoom();
            MlxBuffer buffer = new MlxBuffer(leaseOrigin, block, spec);
            leases.add(block);
            return buffer;
        } finally {
            unlock();
        }
    }

    /** Whether the arena is closed. It changes under the lock, or on the thread of a confined scope. */
    private boolean isClosed() {
        return !arena.scope().isAlive();
    }

    private void requireOpen() {
        if (isClosed()) {
            throw new IllegalStateException("the scope is closed");
        }
    }

    /** Takes the lock, which a confined scope does not need. */
    private void lock() {
        if (confinedTo == null) {
            lock.lock();
        }
    }

    private void unlock() {
        if (confinedTo == null) {
            lock.unlock();
        }
    }

    private void requireThread() {
        if (confinedTo != null && confinedTo != Thread.currentThread()) {
            throw new WrongThreadException(
                    "the scope is confined to " + confinedTo + ", and this is " + Thread.currentThread());
        }
    }

    /** The lifetime of the segments of {@link #allocate} and, unless the pool is checked, of {@link #alloc}. */
    @Override
    public MemorySegment.Scope scope() {
        return arena.scope();
    }

    /**
     * Ends all leases of the scope, returns their memory to the pool and makes every segment throw. Closing again does
     * nothing. If cleanup actions throw that FFM code has tied to the scope, the first exception is thrown when the
     * scope is closed.
     *
     * @throws IllegalStateException if a native call is using a segment, whose lease then goes on; the scope can be
     *     closed again
     * @throws WrongThreadException if the scope is confined to another thread
     */
    @Override
    public void close() {
        StackReserve.require();
        requireThread();
        boolean closing = false;
        try {
            lock();
            try {
                if (isClosed()) {
                    return;
                }
                if (pool.isChecked()) {
                    leases.endOneByOne();
                }
                try {
                    arena.close();
                } finally {
                    // A native call that uses a segment keeps the arena alive. A cleanup action that throws does not.
                    closing = isClosed();
                }
            } finally {
                unlock();
            }
        } finally {
            if (closing) {
                endLeases();
            }
            // The cleaner must not report the scope as leaked while it is being closed.
            Reference.reachabilityFence(arena.scope());
        }
    }

    private void endLeases() {
        try {
            leases.endAll();
        } finally {
            if (watch != null) {
                watch.clean();
            }
        }
    }

    /** For a debugger: the number of leases so far, and the state. */
    @Override
    public String toString() {
        return "MlxScope[" + leases.count() + " buffers" + (isClosed() ? ", closed]" : "]");
    }

    /** The origin of the scope's leases: memory of a lease that ends early stays parked until the scope ends. */
    private final class ScopeOrigin implements LeaseOrigin {
        /** In a checked pool, where each lease has an origin of its own. */
        private final @Nullable Arena leaseArena;

        private ScopeOrigin(@Nullable Arena leaseArena) {
            this.leaseArena = leaseArena;
        }

        @Override
        public PoolEngine pool() {
            return pool;
        }

        @Override
        public boolean isOf(NativeDevice device) {
            return pool.isOf(device);
        }

        @Override
        public Arena arena() {
            return leaseArena == null ? arena : leaseArena;
        }

        @Override
        public @Nullable Arena leaseArena() {
            return leaseArena;
        }

        @Override
        public boolean end(Block block, long generation, @Nullable MlxFence fence) {
            requireThread();
            lock();
            try {
                return !isClosed() && pool.end(leaseArena, block, generation, leases.endedWith(fence));
            } finally {
                unlock();
            }
        }
    }
}
