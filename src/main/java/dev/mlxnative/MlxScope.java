package dev.mlxnative;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.lang.ref.Reference;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One token, one request, one layer: everything that is allocated in a scope goes back to the pool when it closes, and
 * every segment of it throws from then on.
 *
 * <p>A scope is an {@link Arena}, so any FFM code can allocate from the pool through it. Memory comes as the pool's
 * {@link Zeroing} has it: unlike the JDK's own arenas, a scope hands out what an earlier lease left unless that is
 * {@link Zeroing#ALWAYS}.
 *
 * <p>Buffers of a scope may be released earlier. Their segments stay accessible until the scope closes, so their memory
 * stays parked until then too: a scope never hands out the same memory twice.
 */
public final class MlxScope implements Arena {
    private final MlxBufferPool pool;
    private final Supplier<Arena> arenas;
    private final boolean checked;
    private final Arena arena;
    /** Null for a scope of any thread. */
    private final @Nullable Thread confinedTo;

    private final ScopeOwner owner = new ScopeOwner(null);
    private final ReentrantLock lock = new ReentrantLock();
    /* Guarded by the lock, or confined to the thread. */
    private final ScopeLeases leases;
    private final Cleaner.@Nullable Cleanable watch;
    private volatile boolean closed;

    private MlxScope(MlxBufferPool pool, boolean checked, Supplier<Arena> arenas, @Nullable Thread confinedTo) {
        this.pool = pool;
        this.checked = checked;
        this.arenas = arenas;
        this.arena = arenas.get();
        this.confinedTo = confinedTo;
        this.leases = new ScopeLeases(pool.memory());
        // Segments and buffers of the scope hold on to its arena's, and whoever has one may still use its memory.
        this.watch = pool.leaks().picks() ? pool.leaks().watch(arena.scope(), leases) : null;
    }

    static MlxScope shared(MlxBufferPool pool, boolean checked) {
        return new MlxScope(pool, checked, Arena::ofShared, null);
    }

    static MlxScope confined(MlxBufferPool pool, boolean checked) {
        return new MlxScope(pool, checked, Arena::ofConfined, Thread.currentThread());
    }

    /**
     * Hands out a buffer that lives at most as long as this scope.
     *
     * @throws IllegalArgumentException if the length or the shape is wrong, as for {@link MlxBufferPool#alloc}
     * @throws BufferAllocationException as for {@link MlxBufferPool#alloc}
     * @throws IllegalStateException if the scope, the pool or the device is closed
     * @throws WrongThreadException if the scope is confined to another thread
     */
    public MlxBuffer alloc(long byteLength, DType dtype, long... shape) {
        Layout layout = pool.device().layout(byteLength, dtype, shape);
        return lease(layout, checked ? new ScopeOwner(arenas.get()) : owner);
    }

    /** As {@link #alloc(long, DType, long...)}, with just the bytes that the shape takes. */
    public MlxBuffer alloc(DType dtype, long... shape) {
        return alloc(Shapes.byteLength(dtype, shape), dtype, shape);
    }

    /**
     * A segment from the pool, for FFM code of any kind. Each takes a buffer of its own, so many small ones are better
     * cut from a larger one, with {@link java.lang.foreign.SegmentAllocator#slicingAllocator}.
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
        // Room for anything coarser than what comes anyway is on top.
        long padding = byteAlignment <= pool.memory().alignment() ? 0 : byteAlignment;
        long needed = Math.max(1, byteSize) + padding;
        pool.device().requireAllocatable(needed < 0 ? Long.MAX_VALUE : needed);
        MemorySegment segment = lease(Layout.of(DType.U8, needed), owner).segment();
        long misalignment = segment.address() & (byteAlignment - 1);
        return segment.asSlice(misalignment == 0 ? 0 : byteAlignment - misalignment, byteSize);
    }

    private MlxBuffer lease(Layout layout, ScopeOwner lessee) {
        requireThread();
        requireOpen();
        // Without the lock: the driver may take its time, and fences are other people's code.
        Block block = pool.memory().take(layout.byteLength(), lessee.leaseArena(), false);
        boolean issued = false;
        lock();
        try {
            requireOpen();
            leases.makeRoom();
            MlxBuffer buffer = new MlxBuffer(lessee, block, layout);
            leases.add(block);
            issued = true;
            return buffer;
        } finally {
            unlock();
            if (!issued) {
                pool.memory().retireAll(List.of(block), null);
            }
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the scope is closed");
        }
    }

    /** A scope of one thread needs no lock. */
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
     * Returns everything to the pool and makes every segment throw. Closing again does nothing.
     *
     * @throws IllegalStateException if a native call is using a segment; what it uses stays as it is, and the scope can
     *     be closed again
     * @throws WrongThreadException if the scope is confined to another thread
     */
    @Override
    public void close() {
        requireThread();
        try {
            lock();
            try {
                if (closed) {
                    return;
                }
                if (checked) {
                    leases.endOneByOne();
                }
                arena.close();
                closed = true;
            } finally {
                unlock();
            }
            leases.endAll();
            leases.settle();
            if (watch != null) {
                watch.clean();
            }
        } finally {
            // A scope that is being closed is none that was dropped.
            Reference.reachabilityFence(arena.scope());
        }
    }

    /** For people: the number of buffers handed out so far, and the state. */
    @Override
    public String toString() {
        return "MlxScope[" + leases.count() + " buffers" + (closed ? ", closed]" : "]");
    }

    /** Leases of this scope: what ends early stays parked until the scope's end. */
    private final class ScopeOwner implements BufferOwner {
        /** In a checked pool, where each lease has an owner of its own. */
        private final @Nullable Arena leaseArena;

        private ScopeOwner(@Nullable Arena leaseArena) {
            this.leaseArena = leaseArena;
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
        public MlxBufferPool pool() {
            return pool;
        }

        @Override
        public boolean end(MlxBuffer buffer, @Nullable MlxFence fence) {
            requireThread();
            lock();
            try {
                return !closed && pool.endLease(buffer, leases.endedWith(fence));
            } finally {
                unlock();
            }
        }
    }
}
