package dev.mlxnative;

import dev.mlxnative.internal.device.BufferSpec;
import dev.mlxnative.internal.device.MemorySource;
import dev.mlxnative.internal.device.ResidentMemorySource;
import dev.mlxnative.internal.device.Shapes;
import dev.mlxnative.internal.pool.Block;
import dev.mlxnative.internal.pool.DefaultLimits;
import dev.mlxnative.internal.pool.LeaseOrigin;
import dev.mlxnative.internal.pool.LimitSettings;
import dev.mlxnative.internal.pool.PoolConfig;
import dev.mlxnative.internal.pool.PoolEngine;
import dev.mlxnative.internal.pool.PooledOrigin;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A pool that reuses native buffers: a step that requests the same sizes as the step before calls no driver.
 *
 * <p><b>Buckets.</b> A request takes a buffer from the free list of its bucket: the next power of two, at least the
 * minimum bucket and at most the device's {@link DeviceInfo#maxBufferLength}. A miss allocates a native buffer of the
 * bucket's whole size, which serves every later request of the bucket. Buffers of a bucket below a page share pages,
 * since a device takes whole ones. Requests above {@link Builder#roundToPagesAbove} are rounded to whole pages, so that
 * large tensors waste little; free memory of such a size serves a request that is at most an eighth smaller. This is
 * {@link Sizing#POWER_OF_TWO}. Leases of a {@link Sizing#COMPACT} pool share native buffers: it holds little more than
 * was live at once.
 *
 * <p><b>Leases.</b> Each lease ends exactly once: by {@link #release}, {@link MlxBuffer#close}, {@link #reset}, or the
 * end of its {@link MlxScope}. These mix freely. Ending a lease twice, or with a pool that did not make it, throws and
 * changes nothing; only {@code close} may be repeated. Keep a buffer reachable as long as its memory is used, even if a
 * segment uses it: {@link LeakDetection} ends the lease of a buffer that is unreachable.
 *
 * <p><b>In flight.</b> Memory that the GPU still reads is released with a fence: parked until the fence is complete.
 *
 * <p><b>Limits.</b> {@link #limits()} has the bounds on native memory, on free memory, and on the time that it stays
 * idle. They can be changed while the pool is used.
 *
 * <p><b>When memory runs out.</b> A request takes these steps, until one serves it:
 *
 * <ol>
 *   <li>Free memory, of any thread.
 *   <li>Parked memory whose fence is complete.
 *   <li>New memory. Unused memory that the {@link Sizing} does not allow beside it is freed first and, if a limit is in
 *       the way, the least recently used. While more than half of the memory limit is active, powers of two become
 *       pages.
 *   <li>If the device refuses, all free memory is freed and the device is asked once more.
 *   <li>Parked memory, for which the request waits {@link Builder#waitForParked} at most.
 * </ol>
 *
 * Then {@link BufferAllocationException} names the limit, with all the figures. A request that fails, also by a stack
 * or a heap without room, loses nothing, and the next one that fits succeeds.
 *
 * <p>Any number of threads may use a pool. What they release is cached in shards, over which the threads are spread, so
 * that their hits rarely contend. No thread owns a shard, and every request takes cached memory of any shard before it
 * asks the device.
 */
public final class MlxBufferPool implements AutoCloseable {
    /** The value of a limit that is off. */
    public static final long UNLIMITED = Long.MAX_VALUE;

    private static final AtomicInteger POOLS = new AtomicInteger();

    private final MlxDevice device;
    private final PoolEngine engine;
    private final LeaseOrigin origin;
    private final PoolLimits limits;

    private MlxBufferPool(MlxDevice device, PoolConfig config) {
        this.device = device;
        this.engine = new PoolEngine(config);
        this.origin = new PooledOrigin(engine, null);
        this.limits = new PoolLimits(engine);
    }

    /** A pool with the defaults of {@link #builder}. */
    public static MlxBufferPool create(MlxDevice device) {
        return builder(device).build();
    }

    /** Starts a pool on a device, which must stay open as long as the pool is to lease buffers. */
    public static Builder builder(MlxDevice device) {
        return new Builder(Objects.requireNonNull(device, "device"));
    }

    /** The pool's name in logs, events and management. */
    public String name() {
        return engine.name();
    }

    /**
     * Leases a buffer of {@code byteLength} bytes.
     *
     * @param byteLength from 1 to the device's {@link DeviceInfo#maxBufferLength}; 0 too, if a dimension is 0: such a
     *     lease takes the smallest capacity, and the pool's statistics, events and trace count it as one of 1 byte
     * @param shape the dimensions, whose elements must fit {@code byteLength}; none for a scalar
     * @throws IllegalArgumentException if the length or the shape is invalid
     * @throws BufferAllocationException if no free memory fits and a limit or the device allows no more; also if the
     *     thread is interrupted while it waits for parked memory, and then it stays interrupted
     * @throws IllegalStateException if the pool or its device is closed
     */
    public MlxBuffer alloc(long byteLength, DType dtype, long... shape) {
        BufferSpec spec = device.spec(byteLength, dtype, shape);
        LeaseOrigin leaseOrigin = engine.isChecked() ? new PooledOrigin(engine, Arena.ofShared()) : origin;
        Block block = engine.acquire(spec.memoryBytes(), leaseOrigin.leaseArena(), true);
        MlxBuffer buffer = null;
        try {
            buffer = new MlxBuffer(leaseOrigin, block, spec);
            engine.watchSample(buffer, block, buffer.generation(), leaseOrigin.leaseArena(), spec.memoryBytes());
            return buffer;
        } catch (Throwable e) {
            if (buffer == null) {
                engine.abandon(block);
            } else {
                buffer.close();
            }
            throw e;
        }
    }

    /** As {@link #alloc(long, DType, long...)}, with exactly the bytes that the shape takes. */
    public MlxBuffer alloc(DType dtype, long... shape) {
        return alloc(Shapes.byteLength(dtype, shape), dtype, shape);
    }

    /**
     * Ends the lease of a buffer; its memory is free for reuse.
     *
     * @throws IllegalArgumentException if the buffer is a slice, or this pool did not make it
     * @throws IllegalStateException if its lease has ended before or, in a checked pool, a native call is using it
     * @throws WrongThreadException if it belongs to a scope that is confined to another thread
     */
    public void release(MlxBuffer buffer) {
        releaseOnce(buffer, null);
    }

    /**
     * Ends the lease of a buffer; its memory is parked until the fence is complete. Parked memory is never leased,
     * trimmed or freed. This throws what {@link #release(MlxBuffer)} throws.
     *
     * @throws IllegalStateException also if the fence's event is closed and no memory is parked with it
     */
    public void release(MlxBuffer buffer, MlxFence fence) {
        releaseOnce(buffer, Objects.requireNonNull(fence, "fence"));
    }

    private void releaseOnce(MlxBuffer buffer, @Nullable MlxFence fence) {
        if (buffer.isSlice()) {
            throw new IllegalArgumentException(buffer + " is a slice: release the buffer that it was sliced from");
        }
        if (buffer.origin().pool() != engine) {
            throw new IllegalArgumentException(buffer + " was not made by " + this);
        }
        if (!buffer.end(fence)) {
            throw new IllegalStateException(
                    buffer + " was released before: a lease ends once, and only close() may be repeated");
        }
    }

    /**
     * Ends every lease outside scopes; all of their memory is free for reuse. Leases of open scopes go on and end with
     * their scope. A pool that has been reset leaves dropped leases to its next reset: see {@link LeakDetection}.
     *
     * @throws IllegalStateException in a checked pool, if a native call is using a buffer; all others are released
     */
    public void reset() {
        engine.reset(null);
    }

    /**
     * As {@link #reset()}, but the memory is parked until the fence is complete.
     *
     * @throws IllegalStateException also if the fence's event is closed and no memory is parked with it, and then
     *     nothing has happened
     */
    public void reset(MlxFence fence) {
        engine.reset(Objects.requireNonNull(fence, "fence"));
    }

    /** Free blocks, ranges in quarantine after a leak included. */
    public int freeCount() {
        return engine.stats().cachedCount();
    }

    /** Bytes of those blocks. */
    public long freeBytes() {
        return engine.stats().cachedBytes();
    }

    /** Frees all free memory, as {@code trim(0)} does; returns the bytes that were freed. */
    public long clear() {
        return trim(0);
    }

    /**
     * Frees free memory until at most {@code maxFreeBytes} of it are left, the least recently used first; returns the
     * bytes that it freed. Costs tens of microseconds a buffer: the JVM makes sure that no thread is still reading it.
     *
     * @throws IllegalArgumentException if {@code maxFreeBytes} is negative
     */
    public long trim(long maxFreeBytes) {
        return engine.trim(PoolLimits.requireNotNegative("maxFreeBytes", maxFreeBytes));
    }

    /** The limits, to be read and changed. */
    public PoolLimits limits() {
        return limits;
    }

    /** The pool's figures. */
    public PoolStats stats() {
        return engine.stats();
    }

    /** Leases that {@link LeakDetection} has found dropped, and has ended. */
    public long leakedCount() {
        return engine.leakedCount();
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
     * A registered view keeps the pool's memory reachable: unregister it when the pool is closed.
     */
    public MlxBufferPoolMXBean mxBean() {
        return new PoolMXBean(engine, limits);
    }

    /**
     * Opens a scope that any thread may use. Closing it makes the JVM stop every thread for a moment, tens of
     * microseconds: use it for a token, a request, a layer, and not for a single buffer.
     *
     * @throws IllegalStateException if the pool is closed
     */
    public MlxScope scope() {
        engine.requireOpen();
        return MlxScope.shared(engine, device);
    }

    /**
     * Opens a scope for the calling thread alone, which is cheap to close. Its buffers are confined to the thread too.
     *
     * @throws IllegalStateException if the pool is closed
     */
    public MlxScope confinedScope() {
        engine.requireOpen();
        return MlxScope.confined(engine, device);
    }

    /**
     * Frees all free memory and stops leasing. Active buffers stay valid and are freed when they are closed. Their
     * number is logged as a warning, with the stack traces of those that {@link LeakDetection} watches. A thread waits
     * for the fences of parked memory and frees it then. Closing again does nothing.
     */
    @Override
    public void close() {
        engine.close();
    }

    PoolEngine engine() {
        return engine;
    }

    /** For a debugger: what is active, cached and parked. */
    @Override
    public String toString() {
        PoolStats stats = engine.snapshot();
        return "MlxBufferPool[" + name() + ": " + stats.activeCount() + " active, " + stats.cachedCount() + " cached, "
                + stats.parkedCount() + " parked, " + stats.footprintBytes() + " bytes]";
    }

    /**
     * Collects the settings of a pool. A number or time that is negative throws {@link IllegalArgumentException}. Not
     * thread-safe.
     */
    public static final class Builder {
        private final MlxDevice device;
        private MemorySource source;
        private String name = "pool-" + POOLS.incrementAndGet();
        private Sizing sizing = Sizing.POWER_OF_TWO;
        private double surplus = DefaultLimits.SURPLUS;
        private long minBucketBytes = 256;
        private LimitSettings limits;
        private boolean hasCacheLimit;
        private Zeroing zeroing = Zeroing.FRESH;
        private LeakDetection leakDetection = LeakDetection.configured();
        private boolean checked;
        private @Nullable Path allocationLog;

        private Builder(MlxDevice device) {
            this.device = device;
            this.source = device.nativeDevice();
            this.limits = DefaultLimits.of(source);
        }

        /** The name in logs, events and JMX, which needs distinct ones; {@code pool-1} and so on unless set. */
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
         * What a pool with {@link Sizing#COMPACT} may hold beyond its leases: a share of the most bytes that were ever
         * leased at once, 0.14 unless set. While native allocations, which a smaller share makes more frequent, are
         * more than 2 % of the requests, each raises it for good, up to twice that.
         *
         * @throws IllegalArgumentException if it is not between 0 and 1
         */
        public Builder surplus(double share) {
            if (!(share >= 0 && share <= 1)) {
                throw new IllegalArgumentException("surplus is not between 0 and 1: " + share);
            }
            this.surplus = share;
            return this;
        }

        /**
         * The smallest bucket, 256 bytes unless set. A larger one lets more small sizes share memory. The start of a
         * buffer is a multiple of 256 bytes, so a smaller bucket counts as 256.
         *
         * @throws IllegalArgumentException if it is no power of two, or above {@link DeviceInfo#maxBufferLength}
         */
        public Builder minBucketBytes(long minBucketBytes) {
            long most = source.traits().maxBufferLength();
            if (Long.bitCount(minBucketBytes) != 1 || minBucketBytes < 0 || minBucketBytes > most) {
                throw new IllegalArgumentException(
                        "the minimum bucket is a power of two up to " + most + " bytes, not " + minBucketBytes);
            }
            this.minBucketBytes = minBucketBytes;
            return this;
        }

        /**
         * Requests above this many bytes are rounded to whole pages, if that is less than a power of two; 32 MiB unless
         * set. {@link #UNLIMITED} rounds all requests to powers of two. A lower value wastes less memory, and reuses
         * less of it if sizes vary: free memory of such a size serves requests that are at most an eighth smaller.
         */
        public Builder roundToPagesAbove(long bytes) {
            limits = limits.withRoundToPagesAbove(PoolLimits.requireNotNegative("roundToPagesAbove", bytes));
            return this;
        }

        /**
         * Bytes that may be alive in native buffers of the pool: active, cached, parked, and those that are being
         * allocated or freed. Unless set, the device's {@link DeviceInfo#recommendedMaxWorkingSetSize}, and at most
         * nine tenths of the memory that the machine or the JVM's container has. {@link #UNLIMITED} leaves it to the
         * device.
         *
         * <p>The limit is hard. A request that would exceed it first evicts free memory, then waits for parked memory,
         * and then throws {@link BufferAllocationException}. The limit counts capacities, as
         * {@link PoolStats#footprintBytes} does, without the driver's own rounding to pages.
         *
         * <p>While more than half of the limit is active, requests are rounded to pages and not to powers of two. A
         * limit of 1.5 × peak live bytes is therefore enough for every request, if most bytes are in buffers of 8 pages
         * or more and little memory is parked.
         */
        public Builder memoryLimit(long bytes) {
            limits = limits.withMemoryLimit(PoolLimits.requireNotNegative("memoryLimit", bytes));
            return this;
        }

        /**
         * Bytes of free memory that the pool keeps for later requests; an eighth of the memory limit unless set. When a
         * release exceeds it, the least recently used memory is freed, for tens of microseconds a buffer: with a limit
         * below the bytes that a step releases, every step pays that. A buffer above the limit is freed itself. What
         * shares its native buffer with a lease stays. 0 keeps nothing else, {@link #UNLIMITED} all within the limits.
         */
        public Builder cacheLimit(long bytes) {
            limits = limits.withCacheLimit(PoolLimits.requireNotNegative("cacheLimit", bytes));
            hasCacheLimit = true;
            return this;
        }

        /**
         * Native buffers that may be alive; 499,000 unless set, beyond which Metal fails. The limit is hard, like the
         * memory limit, with the same steps before it throws. {@link #UNLIMITED} leaves it to the device.
         */
        public Builder bufferLimit(long buffers) {
            limits = limits.withBufferLimit(PoolLimits.requireNotNegative("bufferLimit", buffers));
            return this;
        }

        /**
         * Free memory that no request has taken for this long is freed, at the latest after twice the time, and parked
         * memory whose fence is complete becomes free; a minute unless set, {@link Duration#ZERO} for never. This needs
         * no call: it runs on a daemon thread of the library, which exists while a pool has free or parked memory. It
         * is also the only way in which a pool that is dropped rather than closed loses its free memory.
         */
        public Builder trimIdleAfter(Duration idle) {
            limits = limits.withTrimIdleNanos(PoolLimits.nanos("trimIdleAfter", idle));
            return this;
        }

        /**
         * The system may take the contents of free memory that no request has taken for this long, as
         * {@link PoolLimits#setPurgeableAfter} says; ten seconds unless set, {@link Duration#ZERO} for never.
         */
        public Builder purgeableAfter(Duration idle) {
            limits = limits.withOfferIdleNanos(PoolLimits.nanos("purgeableAfter", idle));
            return this;
        }

        /**
         * How long a request waits at most, as its last resort, for the fences of parked memory; 5 seconds unless set,
         * {@link Duration#ZERO} for not at all. The wait ends as soon as memory that becomes free, by a fence or
         * otherwise, serves the request. The pool starts a thread for each of the oldest fences, eight at most, and
         * asks the other fences from time to time. A request does not wait if nothing is parked, nor for the end of a
         * scope, since its caller may be inside.
         */
        public Builder waitForParked(Duration wait) {
            limits = limits.withWaitNanos(PoolLimits.nanos("waitForParked", wait));
            return this;
        }

        /** When memory is cleared; {@link Zeroing#FRESH} unless set. */
        public Builder zeroing(Zeroing zeroing) {
            this.zeroing = Objects.requireNonNull(zeroing, "zeroing");
            return this;
        }

        /**
         * How many leases are watched for being dropped; what the system property {@code mlx.leakDetection} says unless
         * set, and {@link LeakDetection#SAMPLED} without it.
         */
        public Builder leakDetection(LeakDetection level) {
            this.leakDetection = Objects.requireNonNull(level, "level");
            return this;
        }

        /**
         * Helps to find bugs: every segment throws as soon as its lease has ended, and released memory is filled with
         * the byte {@code 0xA5}. Each release costs tens of microseconds and a pass over the memory. Off unless set.
         */
        public Builder checked(boolean checked) {
            this.checked = checked;
            return this;
        }

        /**
         * Keeps every native buffer of the pool in a residency set, until the buffer is freed. The pool stages what it
         * allocates; the caller commits the set once for each batch of work, before it is encoded. A commit without
         * changes costs nothing. Memory that the pool frees leaves the set with one commit of the pool's own. Several
         * pools may share a set; a closed set is no longer used. None unless set.
         */
        public Builder residencySet(MlxResidencySet residencySet) {
            Objects.requireNonNull(residencySet, "residencySet");
            this.source = new ResidentMemorySource(device.nativeDevice(), residencySet.residencySet(), residencySet);
            return this;
        }

        /**
         * Records every request and release in a file, in the CSV format of RMM's logs, which {@code bench/} replays:
         * about 45 bytes a line. {@link #build} creates the file or empties it, and {@link MlxBufferPool#close}
         * completes it; later releases are not recorded. Until then, the file lags by at most a second, and an exit of
         * the JVM writes the rest. A lease ends in the file when it is released, whatever fence its memory waits for.
         * Two pools cannot share a file. None unless set.
         */
        public Builder traceTo(Path file) {
            this.allocationLog = Objects.requireNonNull(file, "file");
            return this;
        }

        /**
         * Makes the pool, which holds no memory yet.
         *
         * @throws java.io.UncheckedIOException if the file of {@link #traceTo} cannot be created
         */
        public MlxBufferPool build() {
            LimitSettings built =
                    hasCacheLimit ? limits : limits.withCacheLimit(DefaultLimits.cacheLimit(limits.memoryLimit()));
            PoolConfig config = new PoolConfig(
                    name,
                    source,
                    sizing,
                    surplus,
                    minBucketBytes,
                    built,
                    zeroing,
                    leakDetection,
                    checked,
                    allocationLog);
            return new MlxBufferPool(device, config);
        }
    }
}
