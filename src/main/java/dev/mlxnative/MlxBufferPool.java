package dev.mlxnative;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Reuses native buffers, so that a step which asks for the same sizes as the one before asks the driver for none.
 *
 * <p><b>Buckets.</b> A request is served from the free list of the next power of two that holds it, at least the
 * minimum bucket and at most the device's {@link DeviceInfo#maxBufferLength}. Only that list is searched: memory of
 * other sizes is never handed out for it. A miss allocates a native buffer of the bucket's whole size, which therefore
 * serves every later request of the bucket.
 *
 * <p><b>Leases.</b> Each hand-out ends exactly once: by {@link #release}, {@link MlxBuffer#close}, {@link #reset}, or
 * the end of its {@link MlxScope}. These mix freely. Ending one twice, here or with a pool that did not make it, throws
 * and changes nothing; only {@code close} may be repeated.
 *
 * <p><b>In flight.</b> Memory that the GPU still reads is released with a fence, and stays out of reach until the fence
 * is complete.
 *
 * <p><b>Limits.</b> There are none: free memory is kept until {@link #trim}, {@link #clear} or {@link #close}, and how
 * much is alive is bounded by the device alone.
 *
 * <p>Any number of threads may use a pool. A hit takes a lock for the time of a few field accesses; the driver is never
 * called with the lock held.
 */
public final class MlxBufferPool implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger("dev.mlxnative");

    /** What a checked pool fills released memory with: neither zero nor text, and a strange number in every format. */
    private static final byte RELEASED = (byte) 0xA5;

    private final MlxDevice device;
    private final long minBucketBytes;
    private final Zeroing zeroing;
    private final boolean checked;
    private final @Nullable MlxResidencySet residencySet;
    private final BufferOwner owner = new PoolOwner();

    private final ReentrantLock lock = new ReentrantLock();
    /* Guarded by the lock. */
    private final FreeLists free = new FreeLists();
    private final PoolBooks books = new PoolBooks();
    /** The memory of every lease that {@link #reset} ends: all but those of scopes. */
    private final ArrayList<NativeBuffer> issued = new ArrayList<>();

    private final Parked parked = new Parked();
    private boolean closed;
    /** Whether a thread waits for what is parked. */
    private boolean settling;

    private MlxBufferPool(Builder builder) {
        this.device = builder.device;
        this.minBucketBytes = builder.minBucketBytes;
        this.zeroing = builder.zeroing;
        this.checked = builder.checked;
        this.residencySet = builder.residencySet;
    }

    /** A pool with the defaults of {@link #builder}. */
    public static MlxBufferPool create(MlxDevice device) {
        return builder(device).build();
    }

    /** Starts a pool on a device, which must stay open for as long as the pool is to hand out buffers. */
    public static Builder builder(MlxDevice device) {
        return new Builder(Objects.requireNonNull(device, "device"));
    }

    /**
     * Hands out a buffer of {@code byteLength} bytes.
     *
     * @param byteLength from 1 to the device's {@link DeviceInfo#maxBufferLength}
     * @param shape the dimensions, whose elements must fit {@code byteLength}; none for a scalar
     * @throws IllegalArgumentException if the length or the shape is wrong
     * @throws BufferAllocationException if no free memory fits and the device has none left
     * @throws IllegalStateException if the pool or its device is closed
     */
    public MlxBuffer alloc(long byteLength, DType dtype, long... shape) {
        long[] dimensions = shape.clone();
        device.requireRequest(byteLength, dtype, dimensions);
        Arena leaseArena = checked ? Arena.ofShared() : null;
        NativeBuffer memory = take(byteLength, leaseArena, true);
        try {
            MemorySegment segment = leaseArena == null
                    ? memory.segment().asSlice(0, byteLength)
                    : memory.segment(leaseArena, byteLength);
            return new MlxBuffer(owner, memory, segment, leaseArena, leaseArena != null, dtype, dimensions);
        } catch (Throwable e) {
            retireAll(List.of(memory), null);
            throw e;
        }
    }

    /** As {@link #alloc(long, DType, long...)}, with just the bytes that the shape takes. */
    public MlxBuffer alloc(DType dtype, long... shape) {
        return alloc(Shapes.byteLength(dtype, shape), dtype, shape);
    }

    /**
     * Memory for a lease of a scope's, which the scope issues, or brings back by {@link #retireAll}.
     *
     * @param leaseArena the arena of that lease alone, where it has one
     */
    NativeBuffer takeForScope(long byteLength, @Nullable Arena leaseArena) {
        return take(byteLength, leaseArena, false);
    }

    private NativeBuffer take(long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        device.requireOpen();
        long bucket = bucket(byteLength, minBucketBytes, device.info().maxBufferLength());
        NativeBuffer memory = takeFree(bucket, byteLength, leaseArena, resettable);
        if (memory == null && reap()) {
            memory = takeFree(bucket, byteLength, leaseArena, resettable);
        }
        if (memory == null) {
            return allocate(bucket, byteLength, leaseArena, resettable);
        }
        if (zeroing == Zeroing.ALWAYS) {
            memory.segment().fill((byte) 0);
        }
        return memory;
    }

    /** The next power of two that holds {@code byteLength} bytes, within the limits. */
    static long bucket(long byteLength, long minimum, long maximum) {
        long powerOfTwo = byteLength == 1 ? 1 : Long.highestOneBit(byteLength - 1) << 1;
        return Math.min(Math.max(powerOfTwo, minimum), maximum);
    }

    private @Nullable NativeBuffer takeFree(
            long bucket, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        lock.lock();
        try {
            requireOpen();
            issued.ensureCapacity(issued.size() + 1);
            NativeBuffer memory = free.take(bucket);
            if (memory != null) {
                list(memory, byteLength, leaseArena, resettable);
                books.hit(memory);
            }
            return memory;
        } finally {
            lock.unlock();
        }
    }

    private NativeBuffer allocate(long bucket, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        NativeBuffer memory = null;
        boolean taken = false;
        try {
            memory = device.allocate(bucket);
            if (residencySet != null) {
                residencySet.addUnlessClosed(memory.wholeHandle());
            }
            lock.lock();
            try {
                requireOpen();
                issued.ensureCapacity(issued.size() + 1);
                list(memory, byteLength, leaseArena, resettable);
                books.allocated(memory, free.bytes());
                taken = true;
                return memory;
            } finally {
                lock.unlock();
            }
        } catch (BufferAllocationException e) {
            throw refused(bucket, byteLength, e);
        } finally {
            if (memory != null && !taken) {
                free(List.of(memory));
            }
        }
    }

    private BufferAllocationException refused(long bucket, long byteLength, BufferAllocationException cause) {
        lock.lock();
        try {
            books.failed();
        } finally {
            lock.unlock();
        }
        PoolStats stats = snapshot();
        return new BufferAllocationException(
                "no memory for " + byteLength + " bytes, for which the device was asked for " + bucket + ": "
                        + cause.getMessage() + ". The pool has " + stats.activeBytes() + " bytes in "
                        + stats.activeCount() + " active buffers, " + stats.cachedBytes() + " cached and "
                        + stats.parkedBytes() + " parked; the device counts " + stats.deviceAllocatedBytes() + " of "
                        + device.info().recommendedMaxWorkingSetSize()
                        + " recommended. Release buffers, or call clear() to give back what is cached",
                byteLength,
                stats,
                cause);
    }

    /** Gives memory back that is in no list any more. */
    private void free(List<NativeBuffer> memories) {
        if (residencySet != null && !memories.isEmpty()) {
            residencySet.forget(memories.stream().map(NativeBuffer::wholeHandle).toList());
        }
        memories.forEach(device::free);
    }

    /** With the lock held: memory that goes out. */
    private void list(NativeBuffer memory, long byteLength, @Nullable Arena leaseArena, boolean resettable) {
        memory.requestedBytes = byteLength;
        memory.leaseArena = leaseArena;
        if (resettable) {
            memory.issuedIndex = issued.size();
            issued.add(memory);
        }
    }

    /** With the lock held: memory that comes back. */
    private void unlist(NativeBuffer memory) {
        int index = memory.issuedIndex;
        if (index != NativeBuffer.NOT_LISTED) {
            NativeBuffer last = issued.removeLast();
            if (last != memory) {
                issued.set(index, last);
                last.issuedIndex = index;
            }
            memory.issuedIndex = NativeBuffer.NOT_LISTED;
        }
    }

    /**
     * Takes a buffer back for reuse.
     *
     * @throws IllegalArgumentException if it is a slice, or this pool did not make it
     * @throws IllegalStateException if its lease has ended before or, in a checked pool, a native call is using it
     * @throws WrongThreadException if it is of a scope that is confined to another thread
     */
    public void release(MlxBuffer buffer) {
        releaseOnce(buffer, null);
    }

    /**
     * Takes a buffer back for reuse once the fence is complete. Until then it is parked: never handed out, trimmed or
     * freed.
     *
     * @throws IllegalArgumentException if it is a slice, or this pool did not make it
     * @throws IllegalStateException if its lease has ended before, the fence's event is closed and nothing is parked
     *     with it or, in a checked pool, a native call is using the buffer
     * @throws WrongThreadException if it is of a scope that is confined to another thread
     */
    public void release(MlxBuffer buffer, MlxFence fence) {
        releaseOnce(buffer, Objects.requireNonNull(fence, "fence"));
    }

    private void releaseOnce(MlxBuffer buffer, @Nullable MlxFence fence) {
        if (buffer.isView()) {
            throw new IllegalArgumentException(buffer + " is a slice: release the buffer that it was sliced from");
        }
        if (buffer.owner().pool() != this) {
            throw new IllegalArgumentException(buffer + " was not made by " + this);
        }
        if (!buffer.owner().end(buffer, fence)) {
            throw new IllegalStateException(
                    buffer + " was released before: a lease ends once, and only close() may be repeated");
        }
    }

    /**
     * Ends a lease of this pool's; its memory is free, or parked with the fence. False if the lease had ended before.
     */
    boolean endLease(MlxBuffer buffer, @Nullable MlxFence fence) {
        RetainedFence.retain(fence);
        try {
            MlxFence pending = pending(fence);
            if (!buffer.endLease()) {
                return false;
            }
            retireAll(List.of(buffer.memory()), pending);
            return true;
        } finally {
            RetainedFence.release(fence);
        }
    }

    /**
     * Files memory that nobody holds any more, or parks it.
     *
     * @param pending what to park it with, retained by the caller, or null
     */
    void retireAll(List<NativeBuffer> memories, @Nullable MlxFence pending) {
        Consumer<NativeBuffer> uncount = memory -> {
            unlist(memory);
            books.ended(memory);
        };
        if (pending == null) {
            file(memories, uncount);
            return;
        }
        boolean late;
        lock.lock();
        try {
            for (NativeBuffer memory : memories) {
                uncount.accept(memory);
                parked.add(memory, pending);
                books.parked(memory);
            }
            late = closed;
        } finally {
            lock.unlock();
        }
        if (late) {
            settleParked();
        }
    }

    /**
     * Brings memory that nobody uses any more into the free lists, or back to the device where the pool is closed.
     *
     * @param uncount takes it out of the counts that it is still in, with the lock held
     */
    private void file(List<NativeBuffer> memories, Consumer<NativeBuffer> uncount) {
        try {
            memories.forEach(this::clean);
        } finally {
            boolean homeless;
            lock.lock();
            try {
                memories.forEach(uncount);
                homeless = closed;
                if (!homeless) {
                    memories.forEach(free::add);
                }
            } finally {
                lock.unlock();
            }
            if (homeless) {
                free(memories);
            }
        }
    }

    /** The fence if there is something to wait for, else null. */
    private static @Nullable MlxFence pending(@Nullable MlxFence fence) {
        return fence == null || fence.isComplete() ? null : fence;
    }

    /** What becomes of a lease's traces. Never while a fence is pending: the GPU may still read. */
    private void clean(NativeBuffer memory) {
        memory.unlabel();
        if (checked) {
            memory.segment().fill(RELEASED);
        }
    }

    /** Files what is parked with fences that are complete; whether there was any. */
    private boolean reap() {
        List<MlxFence> fences;
        lock.lock();
        try {
            if (parked.isEmpty()) {
                return false;
            }
            fences = parked.fences();
        } finally {
            lock.unlock();
        }
        boolean reaped = false;
        for (MlxFence fence : fences) {
            if (isComplete(fence)) {
                reaped |= settle(fence);
            }
        }
        return reaped;
    }

    /**
     * Whoever asks has nothing to do with the fence, so its failure is not theirs: what it guards stays where it is.
     */
    private boolean isComplete(MlxFence fence) {
        try {
            return fence.isComplete();
        } catch (Throwable e) {
            boolean first;
            lock.lock();
            try {
                first = parked.firstReport(fence);
            } finally {
                lock.unlock();
            }
            if (first) {
                LOG.log(Level.WARNING, "a " + fence.getClass().getName() + " failed: what is parked with it stays", e);
            }
            return false;
        }
    }

    /** Files what is parked with a fence that is complete; false if someone else did. */
    boolean settle(MlxFence fence) {
        List<NativeBuffer> batch;
        lock.lock();
        try {
            batch = parked.remove(fence);
        } finally {
            lock.unlock();
        }
        if (batch == null) {
            return false;
        }
        file(batch, books::unparked);
        return true;
    }

    /** Nobody asks a closed pool any more: what is parked gets a thread, which ends when nothing is. */
    private void settleParked() {
        lock.lock();
        try {
            if (settling || parked.isEmpty()) {
                return;
            }
            settling = true;
        } finally {
            lock.unlock();
        }
        Background.retry("mlx-pool-settle", () -> {
            reap();
            lock.lock();
            try {
                settling = !parked.isEmpty();
                return !settling;
            } finally {
                lock.unlock();
            }
        });
    }

    /**
     * Ends every lease that is out, so that all of their memory can be reused. Leases of open scopes go on: they end
     * with their scope.
     *
     * @throws IllegalStateException in a checked pool, if a native call is using a buffer; all others are released
     */
    public void reset() {
        resetWith(null);
    }

    /**
     * As {@link #reset()}, but the memory is parked until the fence is complete.
     *
     * @throws IllegalStateException also if the fence's event is closed and nothing is parked with it, and then nothing
     *     has happened
     */
    public void reset(MlxFence fence) {
        resetWith(Objects.requireNonNull(fence, "fence"));
    }

    private void resetWith(@Nullable MlxFence fence) {
        IllegalStateException inUse = null;
        RetainedFence.retain(fence);
        try {
            MlxFence pending = pending(fence);
            List<NativeBuffer> ended = new ArrayList<>();
            for (IssuedLease lease : issuedLeases()) {
                try {
                    if (lease.end()) {
                        ended.add(lease.memory());
                    }
                } catch (IllegalStateException e) {
                    inUse = e;
                }
            }
            retireAll(ended, pending);
        } finally {
            RetainedFence.release(fence);
        }
        if (inUse != null) {
            throw inUse;
        }
    }

    private List<IssuedLease> issuedLeases() {
        lock.lock();
        try {
            List<IssuedLease> leases = new ArrayList<>(issued.size());
            for (NativeBuffer memory : issued) {
                // Read once: a thread that ends the lease does not take the lock for it. An even number belongs to a
                // thread that is on its way out of alloc, or into release: neither has a lease to end here.
                long number = memory.currentLease();
                if (NativeBuffer.isLease(number)) {
                    leases.add(new IssuedLease(memory, number, memory.leaseArena));
                }
            }
            return leases;
        } finally {
            lock.unlock();
        }
    }

    /** A lease as the pool knows it, without the buffer that its holder has. */
    private record IssuedLease(
            NativeBuffer memory, long number, @Nullable Arena leaseArena) {
        boolean end() {
            return NativeBuffer.closeForGood(leaseArena) && memory.end(number);
        }
    }

    /** Buffers that can be handed out again without asking the device. */
    public int freeCount() {
        reap();
        lock.lock();
        try {
            return free.count();
        } finally {
            lock.unlock();
        }
    }

    /** Bytes of those buffers. */
    public long freeBytes() {
        reap();
        lock.lock();
        try {
            return free.bytes();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Gives all free memory back to the device: {@code trim(0)}.
     *
     * @return the bytes given back
     */
    public long clear() {
        return trim(0);
    }

    /**
     * Gives free memory back to the device until at most {@code maxFreeBytes} of it are left, what was released longest
     * ago first. Costs tens of microseconds a buffer: the JVM makes sure that no thread is still reading it.
     *
     * @return the bytes given back
     * @throws IllegalArgumentException if {@code maxFreeBytes} is negative
     */
    public long trim(long maxFreeBytes) {
        if (maxFreeBytes < 0) {
            throw new IllegalArgumentException("maxFreeBytes is at least 0, not " + maxFreeBytes);
        }
        reap();
        List<NativeBuffer> evicted;
        lock.lock();
        try {
            evicted = free.evictTo(maxFreeBytes);
            evicted.forEach(books::trimmed);
        } finally {
            lock.unlock();
        }
        free(evicted);
        return evicted.stream().mapToLong(NativeBuffer::capacity).sum();
    }

    /** The pool's figures at this moment. */
    public PoolStats stats() {
        reap();
        return snapshot();
    }

    private PoolStats snapshot() {
        long deviceAllocatedBytes = device.allocatedBytesIfAny();
        lock.lock();
        try {
            return books.snapshot(free, deviceAllocatedBytes);
        } finally {
            lock.unlock();
        }
    }

    /**
     * Opens a scope that any thread may use. Closing it makes the JVM stop every thread for a moment, tens of
     * microseconds: for a token, a request, a layer, not for a single buffer.
     *
     * @throws IllegalStateException if the pool is closed
     */
    public MlxScope scope() {
        requireOpenNow();
        return MlxScope.shared(this, checked);
    }

    /**
     * Opens a scope for the calling thread alone, cheap to close. Its buffers are confined to the thread like it.
     *
     * @throws IllegalStateException if the pool is closed
     */
    public MlxScope confinedScope() {
        requireOpenNow();
        return MlxScope.confined(this, checked);
    }

    /**
     * Frees all free memory and stops handing out buffers. Buffers that are still out stay valid, and are freed when
     * they are closed; how many there are is logged as a warning. Parked memory is freed when its fence is complete, by
     * a thread that waits for it. Closing again does nothing.
     */
    @Override
    public void close() {
        List<NativeBuffer> cached;
        PoolStats stats;
        lock.lock();
        try {
            if (closed) {
                return;
            }
            closed = true;
            cached = free.evictTo(0);
            stats = books.snapshot(free, 0);
        } finally {
            lock.unlock();
        }
        free(cached);
        if (stats.activeCount() > 0) {
            LOG.log(
                    Level.WARNING,
                    "a pool was closed with {0} buffer(s) of {1} bytes out; they are freed when they are closed",
                    stats.activeCount(),
                    stats.activeBytes());
        }
        reap();
        settleParked();
    }

    private void requireOpenNow() {
        lock.lock();
        try {
            requireOpen();
        } finally {
            lock.unlock();
        }
    }

    /** With the lock held. */
    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the pool is closed");
        }
    }

    MlxDevice device() {
        return device;
    }

    /** For people: what is active, cached and parked. */
    @Override
    public String toString() {
        PoolStats stats = snapshot();
        return "MlxBufferPool[" + stats.activeCount() + " active, " + stats.cachedCount() + " cached, "
                + stats.parkedCount() + " parked, " + stats.footprintBytes() + " bytes]";
    }

    /** Leases outside scopes. */
    private final class PoolOwner implements BufferOwner {
        @Override
        public MlxBufferPool pool() {
            return MlxBufferPool.this;
        }

        @Override
        public boolean end(MlxBuffer buffer, @Nullable MlxFence fence) {
            return endLease(buffer, fence);
        }
    }

    /** A pool's settings. Not for several threads at once. */
    public static final class Builder {
        private static final long DEFAULT_MIN_BUCKET_BYTES = 256;

        private final MlxDevice device;
        private long minBucketBytes = DEFAULT_MIN_BUCKET_BYTES;
        private Zeroing zeroing = Zeroing.FRESH;
        private boolean checked;
        private @Nullable MlxResidencySet residencySet;

        private Builder(MlxDevice device) {
            this.device = device;
        }

        /**
         * The smallest bucket, 256 bytes unless set. A larger one lets more of the small sizes share buffers; a native
         * buffer takes at least a page of memory in any case.
         *
         * @throws IllegalArgumentException if it is no power of two, or above the device's
         *     {@link DeviceInfo#maxBufferLength}
         */
        public Builder minBucketBytes(long minBucketBytes) {
            if (Long.bitCount(minBucketBytes) != 1
                    || minBucketBytes < 0
                    || minBucketBytes > device.info().maxBufferLength()) {
                throw new IllegalArgumentException("the minimum bucket is a power of two up to "
                        + device.info().maxBufferLength() + " bytes, not " + minBucketBytes);
            }
            this.minBucketBytes = minBucketBytes;
            return this;
        }

        /** When memory is cleared; {@link Zeroing#FRESH} unless set. */
        public Builder zeroing(Zeroing zeroing) {
            this.zeroing = Objects.requireNonNull(zeroing, "zeroing");
            return this;
        }

        /**
         * For finding bugs: every segment throws as soon as its lease has ended, and released memory is filled with the
         * byte {@code 0xA5}. Costs tens of microseconds and a pass over the memory with each release. Off unless set.
         */
        public Builder checked(boolean checked) {
            this.checked = checked;
            return this;
        }

        /**
         * Keeps every native buffer of the pool in a residency set, for as long as the pool has the buffer. The pool
         * stages what it allocates; the caller commits the set once for each batch of work, before it is encoded, which
         * costs nothing when nothing was allocated. What is trimmed leaves with one commit of the pool's own. Several
         * pools may share a set; one that is closed is no longer used. None unless set.
         */
        public Builder residencySet(MlxResidencySet residencySet) {
            this.residencySet = Objects.requireNonNull(residencySet, "residencySet");
            return this;
        }

        /** The pool, which holds no memory yet. */
        public MlxBufferPool build() {
            return new MlxBufferPool(this);
        }
    }
}
