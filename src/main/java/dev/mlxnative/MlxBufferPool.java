package dev.mlxnative;

import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.ref.Reference;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * Reuses native buffers, so that a step which asks for the same sizes as the one before asks the driver for none.
 *
 * <p><b>Buckets.</b> A request is served from the free list of the next power of two that holds it, at least the
 * minimum bucket and at most the device's {@link DeviceInfo#maxBufferLength}. A miss allocates a native buffer of the
 * bucket's whole size, which therefore serves every later request of the bucket. Requests above
 * {@link #roundToPagesAbove()} are rounded to whole pages instead, so that large tensors waste nothing; free memory of
 * such a size serves a request that is at most an eighth smaller.
 *
 * <p><b>Sizing.</b> That is {@link Sizing#POWER_OF_TWO}. A pool that is {@link Sizing#COMPACT} cuts its leases from few
 * large native buffers instead, and holds little more than is live.
 *
 * <p><b>Leases.</b> Each hand-out ends exactly once: by {@link #release}, {@link MlxBuffer#close}, {@link #reset}, or
 * the end of its {@link MlxScope}. These mix freely. Ending one twice, here or with a pool that did not make it, throws
 * and changes nothing; only {@code close} may be repeated. A buffer that is dropped without any of them is found by
 * {@link LeakDetection}: keep it reachable for as long as its memory is used, even if that is by a segment.
 *
 * <p><b>In flight.</b> Memory that the GPU still reads is released with a fence, and stays out of reach until the fence
 * is complete.
 *
 * <p><b>Limits.</b> {@link #memoryLimit()} and {@link #bufferLimit()} bound what the pool takes from the device, and
 * hold at every moment; {@link #cacheLimit()} bounds what it keeps for later, and {@link #trimIdleAfter()} how long.
 * Each can be set while the pool is in use.
 *
 * <p><b>When memory runs out.</b> A request takes free memory; then that of fences that are complete by now; then, if a
 * limit is in the way, free memory of other sizes goes back to the device, least recently used first, and the device is
 * asked. Where half of the memory limit is active, requests are rounded to pages. If the device refuses, everything
 * that is free goes back and the device is asked once more. At last the request waits for parked memory,
 * {@link #waitForParked()} at most. Then {@link BufferAllocationException} says which limit it was, with all the
 * figures. Nothing is lost on the way, and the next request that fits succeeds.
 *
 * <p>Any number of threads may use a pool. What they release is kept in stripes, over which threads are spread, so that
 * hits of several threads rarely meet. No thread owns a stripe; what is there is free memory like any other, counted,
 * trimmed, and taken by whoever has none, before the device is asked.
 */
public final class MlxBufferPool implements AutoCloseable {
    /** The value of a limit that is off. */
    public static final long UNLIMITED = Long.MAX_VALUE;

    /** As long as a timer can count. */
    private static final Duration FOREVER = Duration.ofDays(36_500);

    private static final System.Logger LOG = System.getLogger("dev.mlxnative");

    private static final AtomicInteger POOLS = new AtomicInteger();

    private final String name;
    private final MlxDevice device;
    private final boolean checked;
    private final PoolMemory memory;
    private final LeakDetector leaks;
    private final BufferOwner owner = new PoolOwner(null);

    private MlxBufferPool(Builder builder) {
        this.name = builder.name;
        this.device = builder.device;
        this.checked = builder.checked;
        this.memory = new PoolMemory(builder);
        this.leaks = new LeakDetector(builder.leakDetection, this::takeBackDropped);
    }

    /** A pool with the defaults of {@link #builder}. */
    public static MlxBufferPool create(MlxDevice device) {
        return builder(device).build();
    }

    /** Starts a pool on a device, which must stay open for as long as the pool is to hand out buffers. */
    public static Builder builder(MlxDevice device) {
        return new Builder(Objects.requireNonNull(device, "device"));
    }

    /** What the pool is called in logs, events and management. */
    public String name() {
        return name;
    }

    /**
     * Hands out a buffer of {@code byteLength} bytes.
     *
     * @param byteLength from 1 to the device's {@link DeviceInfo#maxBufferLength}
     * @param shape the dimensions, whose elements must fit {@code byteLength}; none for a scalar
     * @throws IllegalArgumentException if the length or the shape is wrong
     * @throws BufferAllocationException if no free memory fits and a limit or the device allows no more; also if the
     *     thread is interrupted while it waits for parked memory, and then it still is
     * @throws IllegalStateException if the pool or its device is closed
     */
    public MlxBuffer alloc(long byteLength, DType dtype, long... shape) {
        Layout layout = device.layout(byteLength, dtype, shape);
        BufferOwner lessee = checked ? new PoolOwner(Arena.ofShared()) : owner;
        Block block = memory.take(byteLength, lessee.leaseArena(), true);
        MlxBuffer buffer = null;
        try {
            buffer = new MlxBuffer(lessee, block, layout);
            if (leaks.picks()) {
                block.watch = leaks.watch(buffer, buffer.issuedLease());
            }
            return buffer;
        } catch (Throwable e) {
            if (buffer == null) {
                memory.retireAll(List.of(block), null);
            } else {
                buffer.close();
            }
            throw e;
        }
    }

    /** As {@link #alloc(long, DType, long...)}, with just the bytes that the shape takes. */
    public MlxBuffer alloc(DType dtype, long... shape) {
        return alloc(Shapes.byteLength(dtype, shape), dtype, shape);
    }

    /** A dropped lease or scope. */
    private void takeBackDropped(LeakDetector.Leases leases, Throwable origin) {
        List<Block> ended = leases.end();
        if (ended.isEmpty() && leases.endWithReset()) {
            return; // a reset was faster
        }
        memory.retireLeaked(ended);
        leases.settle();
        LOG.log(
                Level.WARNING,
                "leak in pool " + name + ": " + leases + " became garbage and had never been closed; memory of "
                        + ended.size() + " buffer(s) went back to the device",
                origin);
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
            return Block.closeForGood(buffer.owner().leaseArena())
                    && memory.end(buffer.block(), buffer.lease(), pending);
        } finally {
            RetainedFence.release(fence);
            // A buffer that is being released is none that was dropped.
            Reference.reachabilityFence(buffer);
        }
    }

    /** The fence if there is something to wait for, else null. */
    private static @Nullable MlxFence pending(@Nullable MlxFence fence) {
        return fence == null || fence.isComplete() ? null : fence;
    }

    /**
     * Ends every lease that is out, so that all of their memory can be reused. Leases of open scopes go on: they end
     * with their scope. A pool that has been reset leaves leases that are dropped to the next reset: see
     * {@link LeakDetection}.
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
            leaks.leaveToReset(!memory.isClosed());
            if (checked) {
                inUse = endOneByOne(pending);
            } else {
                memory.endResettable(pending);
            }
            leaks.leasesAreReset();
        } finally {
            RetainedFence.release(fence);
        }
        if (inUse != null) {
            throw inUse;
        }
    }

    /** Ends leases that native calls can be using; returns what there is to say of those that they do use. */
    private @Nullable IllegalStateException endOneByOne(@Nullable MlxFence pending) {
        IllegalStateException inUse = null;
        List<IssuedLease> leases = memory.resettableLeases();
        List<Block> ended = new ArrayList<>(leases.size());
        for (IssuedLease lease : leases) {
            try {
                if (lease.tryEnd()) {
                    ended.add(lease.block());
                }
            } catch (IllegalStateException e) {
                inUse = e;
            }
        }
        memory.retireAll(ended, pending);
        return inUse;
    }

    /** Buffers that can be handed out again without asking the device. */
    public int freeCount() {
        return memory.freeCount();
    }

    /** Bytes of those buffers. */
    public long freeBytes() {
        return memory.freeBytes();
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
        return memory.trim(requireNotNegative("maxFreeBytes", maxFreeBytes), TrimCause.REQUESTED);
    }

    /**
     * Bytes that may be alive in native buffers of the pool, whatever they are used for: active, cached, parked, and
     * those that are being allocated or given back. See {@link Builder#memoryLimit}.
     */
    public long memoryLimit() {
        return memory.memoryLimit();
    }

    /** As {@link Builder#memoryLimit}. Free memory above a lower limit goes back to the device before this returns. */
    public void setMemoryLimit(long bytes) {
        memory.memoryLimit(requireNotNegative("memoryLimit", bytes));
    }

    /** Bytes of free memory that are kept. See {@link Builder#cacheLimit}. */
    public long cacheLimit() {
        return memory.cacheLimit();
    }

    /** As {@link Builder#cacheLimit}. Free memory above a lower limit goes back to the device before this returns. */
    public void setCacheLimit(long bytes) {
        memory.cacheLimit(requireNotNegative("cacheLimit", bytes));
    }

    /** Native buffers that may be alive. See {@link Builder#bufferLimit}. */
    public long bufferLimit() {
        return memory.bufferLimit();
    }

    /** As {@link Builder#bufferLimit}. Free buffers above a lower limit go back to the device before this returns. */
    public void setBufferLimit(long buffers) {
        memory.bufferLimit(requireNotNegative("bufferLimit", buffers));
    }

    /** The largest request, in bytes, that is rounded to a power of two. See {@link Builder#roundToPagesAbove}. */
    public long roundToPagesAbove() {
        return memory.roundToPagesAbove();
    }

    /** As {@link Builder#roundToPagesAbove}. Native buffers that exist keep their size, and are found by it. */
    public void setRoundToPagesAbove(long bytes) {
        memory.roundToPagesAbove(requireNotNegative("roundToPagesAbove", bytes));
    }

    /** How long free memory lies idle before it goes back to the device. See {@link Builder#trimIdleAfter}. */
    public Duration trimIdleAfter() {
        return Duration.ofNanos(memory.idleNanos());
    }

    /** As {@link Builder#trimIdleAfter}. The time begins anew for what is free. */
    public void setTrimIdleAfter(Duration idle) {
        memory.idleNanos(nanos("trimIdleAfter", idle));
    }

    /** How long a request waits at most for parked memory. See {@link Builder#waitForParked}. */
    public Duration waitForParked() {
        return Duration.ofNanos(memory.waitNanos());
    }

    /** As {@link Builder#waitForParked}, for requests from here on. */
    public void setWaitForParked(Duration wait) {
        memory.waitNanos(nanos("waitForParked", wait));
    }

    private static long requireNotNegative(String setting, long value) {
        if (value < 0) {
            throw new IllegalArgumentException(setting + " is at least 0, not " + value);
        }
        return value;
    }

    private static long nanos(String setting, Duration duration) {
        if (duration.isNegative()) {
            throw new IllegalArgumentException(setting + " is not negative, as " + duration + " is");
        }
        return duration.compareTo(FOREVER) < 0 ? duration.toNanos() : FOREVER.toNanos();
    }

    /** The pool's figures at this moment. */
    public PoolStats stats() {
        memory.reap();
        return memory.snapshot();
    }

    /** Leases that {@link LeakDetection} has found dropped, and ended. */
    public long leakedCount() {
        return memory.leakedCount();
    }

    /**
     * A view of the pool for JMX: figures to read, limits to set, {@code trim} and {@code clear} to invoke. Register it
     * under its own name:
     *
     * <pre>{@code
     * MlxBufferPoolMXBean bean = pool.mxBean();
     * ManagementFactory.getPlatformMBeanServer().registerMBean(bean, bean.getObjectName());
     * }</pre>
     *
     * A registered view keeps the pool reachable; unregister it when the pool is closed.
     */
    public MlxBufferPoolMXBean mxBean() {
        return new PoolMXBean(this);
    }

    /**
     * Opens a scope that any thread may use. Closing it makes the JVM stop every thread for a moment, tens of
     * microseconds: for a token, a request, a layer, not for a single buffer.
     *
     * @throws IllegalStateException if the pool is closed
     */
    public MlxScope scope() {
        memory.requireOpenNow();
        return MlxScope.shared(this, checked);
    }

    /**
     * Opens a scope for the calling thread alone, cheap to close. Its buffers are confined to the thread like it.
     *
     * @throws IllegalStateException if the pool is closed
     */
    public MlxScope confinedScope() {
        memory.requireOpenNow();
        return MlxScope.confined(this, checked);
    }

    /**
     * Frees all free memory and stops handing out buffers. Buffers that are still out stay valid, and are freed when
     * they are closed; how many there are is logged as a warning, with the stack traces of those that
     * {@link LeakDetection} watches. Parked memory is freed when its fence is complete, by a thread that waits for it.
     * Closing again does nothing.
     */
    @Override
    public void close() {
        if (!memory.close()) {
            return;
        }
        PoolStats stats = memory.snapshot();
        if (stats.activeCount() > 0) {
            LOG.log(
                    Level.WARNING,
                    "pool {0} was closed with {1} buffer(s) of {2} bytes out; they are freed when they are closed",
                    name,
                    stats.activeCount(),
                    stats.activeBytes());
            leaks.forEachOut((leases, origin) ->
                    LOG.log(Level.WARNING, "still out when pool " + name + " was closed: " + leases, origin));
        }
        leaks.leaveToReset(false);
    }

    MlxDevice device() {
        return device;
    }

    PoolMemory memory() {
        return memory;
    }

    LeakDetector leaks() {
        return leaks;
    }

    /** For people: what is active, cached and parked. */
    @Override
    public String toString() {
        PoolStats stats = memory.snapshot();
        return "MlxBufferPool[" + name + ": " + stats.activeCount() + " active, " + stats.cachedCount() + " cached, "
                + stats.parkedCount() + " parked, " + stats.footprintBytes() + " bytes]";
    }

    /** Leases outside scopes; in a checked pool each of them has an owner of its own, for its arena. */
    private final class PoolOwner implements BufferOwner {
        private final @Nullable Arena leaseArena;

        private PoolOwner(@Nullable Arena leaseArena) {
            this.leaseArena = leaseArena;
        }

        @Override
        public MlxBufferPool pool() {
            return MlxBufferPool.this;
        }

        @Override
        public @Nullable Arena arena() {
            return leaseArena;
        }

        @Override
        public @Nullable Arena leaseArena() {
            return leaseArena;
        }

        @Override
        public boolean end(MlxBuffer buffer, @Nullable MlxFence fence) {
            return endLease(buffer, fence);
        }
    }

    /** A pool's settings. Not for several threads at once. */
    public static final class Builder {
        private static final long DEFAULT_MIN_BUCKET_BYTES = 256;
        /** Above what a step asks for in the traces of {@code bench/}, below most of a model's weights. */
        private static final long DEFAULT_ROUND_TO_PAGES_ABOVE = 32L << 20;
        /** Metal's, found by MLX: resources beyond it fail whatever their size. */
        private static final long DEFAULT_BUFFER_LIMIT = 499_000;

        private static final Duration DEFAULT_IDLE = Duration.ofSeconds(60);
        private static final Duration DEFAULT_WAIT = Duration.ofSeconds(5);

        final MlxDevice device;
        String name = "pool-" + POOLS.incrementAndGet();
        Sizing sizing = Sizing.POWER_OF_TWO;
        long minBucketBytes = DEFAULT_MIN_BUCKET_BYTES;
        long roundToPagesAbove = DEFAULT_ROUND_TO_PAGES_ABOVE;
        long memoryLimit;

        @Nullable
        Long cacheLimit;

        long bufferLimit = DEFAULT_BUFFER_LIMIT;
        long idleNanos = DEFAULT_IDLE.toNanos();
        long waitNanos = DEFAULT_WAIT.toNanos();
        Zeroing zeroing = Zeroing.FRESH;
        LeakDetection leakDetection = LeakDetection.SAMPLED;
        boolean checked;

        @Nullable
        MlxResidencySet residencySet;

        @Nullable
        Path trace;

        private Builder(MlxDevice device) {
            this.device = device;
            this.memoryLimit = PhysicalMemory.shareOf(device.info());
        }

        /**
         * What the pool is called in logs, events and management; {@code pool-1} and so on unless set. JMX wants
         * different names.
         */
        public Builder name(String name) {
            this.name = Objects.requireNonNull(name, "name");
            return this;
        }

        /** How native buffers are sized; {@link Sizing#POWER_OF_TWO} unless set. */
        public Builder sizing(Sizing sizing) {
            this.sizing = Objects.requireNonNull(sizing, "sizing");
            return this;
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

        /**
         * Requests above this many bytes are rounded to whole pages, where that is less than a power of two; 32 MiB
         * unless set. {@link #UNLIMITED} rounds everything to powers of two. A lower one wastes less memory and finds
         * less of it again when sizes vary: free memory of such a size serves requests that are at most an eighth
         * smaller.
         *
         * @throws IllegalArgumentException if it is negative
         */
        public Builder roundToPagesAbove(long bytes) {
            this.roundToPagesAbove = requireNotNegative("roundToPagesAbove", bytes);
            return this;
        }

        /**
         * Bytes that may be alive in native buffers of the pool: active, cached, parked, and those that are being
         * allocated or given back. Unless set, the device's {@link DeviceInfo#recommendedMaxWorkingSetSize}, and at
         * most nine tenths of the memory that the machine or the JVM's container has.
         *
         * <p>The limit is hard. What would exceed it first costs the cache, then waits for parked memory, and then
         * throws {@link BufferAllocationException}. It is counted in capacities, as {@link PoolStats#footprintBytes}
         * is; the driver's own rounding to pages comes on top. {@link #UNLIMITED} leaves it to the device.
         *
         * <p>From half of the limit on, requests are rounded to pages and not to powers of two: one and a half times
         * the bytes that are ever live at once is a limit that serves every request, as long as most of them are in
         * buffers of eight pages or more and little is parked.
         *
         * @throws IllegalArgumentException if it is negative
         */
        public Builder memoryLimit(long bytes) {
            this.memoryLimit = requireNotNegative("memoryLimit", bytes);
            return this;
        }

        /**
         * Bytes of free memory that are kept for later requests; an eighth of the memory limit unless set. What is
         * released beyond it sends what was released longest ago back to the device, which costs tens of microseconds a
         * buffer: a limit below what a step releases makes every step pay. A buffer that is larger than the limit goes
         * back by itself. 0 keeps nothing, {@link #UNLIMITED} everything that the memory limit allows.
         *
         * @throws IllegalArgumentException if it is negative
         */
        public Builder cacheLimit(long bytes) {
            this.cacheLimit = requireNotNegative("cacheLimit", bytes);
            return this;
        }

        /**
         * Native buffers that may be alive; 499,000 unless set, which is where Metal itself ends. The limit is hard,
         * like the memory limit, with the same steps before it throws. {@link #UNLIMITED} leaves it to the device.
         *
         * @throws IllegalArgumentException if it is negative
         */
        public Builder bufferLimit(long buffers) {
            this.bufferLimit = requireNotNegative("bufferLimit", buffers);
            return this;
        }

        /**
         * Free memory that nobody has taken for this long goes back to the device, at the latest after twice the time,
         * and parked memory whose fence is complete becomes free; a minute unless set, {@link Duration#ZERO} for never.
         * It happens on the JDK's common pool and needs no call; a pool that is dropped rather than closed loses its
         * free memory this way, and only then.
         *
         * @throws IllegalArgumentException if it is negative
         */
        public Builder trimIdleAfter(Duration idle) {
            this.idleNanos = nanos("trimIdleAfter", idle);
            return this;
        }

        /**
         * How long a request waits at most, as its last resort, for the fences of parked memory; 5 seconds unless set,
         * {@link Duration#ZERO} for not at all. It ends as soon as anything that comes back, by a fence or otherwise,
         * lets the request succeed. The pool has a thread wait for each of the oldest fences, eight at most, until they
         * are complete, and asks for the others from time to time. A request does not wait where nothing is parked, nor
         * for the end of a scope, since its caller may be inside.
         *
         * @throws IllegalArgumentException if it is negative
         */
        public Builder waitForParked(Duration wait) {
            this.waitNanos = nanos("waitForParked", wait);
            return this;
        }

        /** When memory is cleared; {@link Zeroing#FRESH} unless set. */
        public Builder zeroing(Zeroing zeroing) {
            this.zeroing = Objects.requireNonNull(zeroing, "zeroing");
            return this;
        }

        /** How many leases are watched for being dropped; {@link LeakDetection#SAMPLED} unless set. */
        public Builder leakDetection(LeakDetection level) {
            this.leakDetection = Objects.requireNonNull(level, "level");
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

        /**
         * Records every request and release in a file, in the CSV format of RMM's logs, which {@code bench/} replays:
         * about 45 bytes a line. {@link #build} creates the file or empties it, {@link MlxBufferPool#close} completes
         * it; what is released later is not in it. A lease ends in it when it is released, whatever fence its memory
         * then waits for. Two pools cannot share a file. None unless set.
         */
        public Builder traceTo(Path file) {
            this.trace = Objects.requireNonNull(file, "file");
            return this;
        }

        /**
         * The pool, which holds no memory yet.
         *
         * @throws java.io.UncheckedIOException if there is a trace to record and its file cannot be created
         */
        public MlxBufferPool build() {
            return new MlxBufferPool(this);
        }
    }
}
