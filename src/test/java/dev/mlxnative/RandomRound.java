package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.mlxnative.internal.device.DeviceMemory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.ThreadFactory;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * One round of the randomised test: a pool, and threads that make random calls to it. When the threads have ended, the
 * round checks the pool's statistics against the model that the threads have kept.
 */
final class RandomRound {
    static final long ROUND_TO_PAGES_ABOVE = 1 << 18;

    private static final Duration FOR_THREADS = Duration.ofSeconds(60);
    private static final int PROBES = 10;
    /** Blocks of compact pools start at multiples of this. */
    private static final int GRANULE = 256;

    /**
     * The configuration of a round.
     *
     * @param configuration of the pool
     * @param compact whether the pool is compact
     * @param zeroed whether every lease of the pool begins zeroed
     * @param watched whether the pool watches every lease for being dropped
     * @param resets whether threads reset the pool, which ends leases of other threads
     * @param changesSettings whether threads change the settings of the pool
     * @param faults whether the device refuses some creations
     * @param closes whether a thread closes the pool in the middle of the round
     */
    record Plan(
            Consumer<MlxBufferPool.Builder> configuration,
            boolean compact,
            boolean zeroed,
            boolean watched,
            int threads,
            boolean virtual,
            boolean resets,
            boolean changesSettings,
            boolean faults,
            boolean closes) {}

    @FunctionalInterface
    interface Use {
        void run(RandomUser user) throws Exception;
    }

    final Plan plan;
    final MlxBufferPool pool;
    final MlxBufferPool stranger;
    final MlxScope sharedScope;
    final List<GpuWork> gpuWork;
    final AtomicReference<@Nullable MarkedLease> contested = new AtomicReference<>();

    private final long seed;
    private final long devicesBefore = NativeFaults.liveDevices();
    private final long eventsBefore = NativeFaults.liveEvents();
    private final MlxDevice device = MlxDevice.open();
    private final long page = device.nativeDevice().traits().pageSize();
    private final long bytesBefore = device.allocatedBytes();
    private final long buffersBefore = NativeFaults.liveBuffers();
    private final long memoryLimit;
    private final long bufferLimit;
    private final List<RandomUser> users;
    private final AtomicReference<@Nullable MarkedLease> exchanged = new AtomicReference<>();
    private final AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
    /**
     * Threads hold the read lock while they mark a lease, and the write lock while they reset the pool. Otherwise a
     * reset between the request and the mark could let a thread mark memory of the next holder.
     */
    private final ReentrantReadWriteLock marksAndResets = new ReentrantReadWriteLock();

    RandomRound(Plan plan, long seed) {
        this.plan = plan;
        this.seed = seed;
        MlxBufferPool.Builder builder = MlxBufferPool.builder(device)
                .roundToPagesAbove(ROUND_TO_PAGES_ABOVE)
                .waitForParked(Duration.ofMillis(1));
        plan.configuration().accept(builder);
        this.pool = builder.build();
        this.stranger = MlxBufferPool.create(device);
        this.sharedScope = pool.scope();
        this.memoryLimit = pool.limits().memoryLimit();
        this.bufferLimit = pool.limits().bufferLimit();
        this.gpuWork =
                Stream.generate(() -> new GpuWork(device)).limit(plan.threads()).toList();
        this.users = IntStream.range(0, plan.threads())
                .mapToObj(index -> new RandomUser(this, index, seed))
                .toList();
    }

    /** Runs the threads, then checks the pool and the native library. Returns the number of operations. */
    long run(Use use) throws InterruptedException {
        try {
            runThreads(use);
            NativeFaults.clear();
            List<MarkedLease> live = requireBalance();
            requireParkingByReset(live);
            requireNothingLost();
            if (!plan.closes()) {
                requireLimitsToThePage();
                requireLeaksFound();
            }
        } finally {
            NativeFaults.clear();
            pool.close();
            stranger.close();
            device.close();
        }
        requireNothingNative();
        return users.stream().mapToLong(user -> user.operations).sum();
    }

    /** The number of requests that the pool refused. */
    long refusals() {
        return users.stream().mapToLong(user -> user.failed).sum();
    }

    /** The number of leaks that the pool found. It has logged a warning for each. */
    long leaks() {
        return pool.leakedCount();
    }

    private void runThreads(Use use) throws InterruptedException {
        ThreadFactory factory = plan.virtual()
                ? Thread.ofVirtual().factory()
                : Thread.ofPlatform().daemon().factory();
        List<Thread> threads = new ArrayList<>();
        for (RandomUser user : users) {
            threads.add(factory.newThread(() -> {
                try {
                    use.run(user);
                } catch (Throwable e) {
                    failure.compareAndSet(null, e);
                }
            }));
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            if (!thread.join(FOR_THREADS)) {
                AssertionError stuck = new AssertionError("a thread does not end: " + thread);
                stuck.setStackTrace(thread.getStackTrace());
                failure.compareAndSet(null, stuck);
            }
        }
        Throwable first = failure.get();
        if (first != null) {
            throw new AssertionError("in a thread: " + first.getMessage(), first);
        }
    }

    /** Whether a thread has failed, so that the others can stop. */
    boolean hasFailed() {
        return failure.get() != null;
    }

    /** Writes the marks of a new lease. */
    void mark(MarkedLease lease) {
        if (!plan.resets()) {
            begin(lease);
            return;
        }
        marksAndResets.readLock().lock();
        try {
            if (!lease.buffer.isReleased()) {
                begin(lease);
            }
        } finally {
            marksAndResets.readLock().unlock();
        }
    }

    private void begin(MarkedLease lease) {
        if (plan.zeroed()) {
            lease.requireZero();
        }
        lease.write();
    }

    void reset(Runnable reset) {
        marksAndResets.writeLock().lock();
        try {
            reset.run();
        } finally {
            marksAndResets.writeLock().unlock();
        }
    }

    /** Leaves a lease for the next thread that calls this, and returns the lease that the previous thread left. */
    @Nullable
    MarkedLease exchange(MarkedLease lease) {
        return exchanged.getAndSet(lease);
    }

    void changeFaults(SplittableRandom random) {
        if (!plan.faults()) {
            return;
        }
        switch (random.nextInt(3)) {
            case 0 -> NativeFaults.clear();
            case 1 -> NativeFaults.failCreate(1 + random.nextInt(20), 1 + random.nextInt(10));
            default -> NativeFaults.byteBudget(device.allocatedBytes() + random.nextLong(1 << 20));
        }
    }

    /** Checks the invariants of a snapshot. They hold at any moment. */
    void requireConsistent(PoolStats stats) {
        if (stats.requests() != stats.hits() + stats.nativeAllocations() + stats.failedAllocations()
                || stats.footprintBytes() != stats.activeBytes() + stats.cachedBytes() + stats.parkedBytes()
                || stats.requestedBytes() < 0
                || stats.activeBytes() < stats.requestedBytes()
                || stats.cachedCount() < 0
                || stats.cachedBytes() < stats.cachedCount()
                || stats.parkedCount() < 0
                || stats.parkedBytes() < stats.parkedCount()
                || stats.activeCount() < 0
                || stats.activeBytes() < stats.activeCount()
                || stats.peakActiveBytes() < stats.activeBytes()
                || stats.peakFootprintBytes() < stats.footprintBytes()) {
            throw new AssertionError("inconsistent: " + stats);
        }
        if (plan.changesSettings()) {
            return;
        }
        if (stats.footprintBytes() > memoryLimit || stats.deviceAllocatedBytes() - bytesBefore > memoryLimit) {
            throw new AssertionError("above " + memoryLimit + " bytes, after " + bytesBefore + ": " + stats);
        }
        long buffers = ownBuffers();
        if (buffers > bufferLimit) {
            throw new AssertionError(buffers + " native buffers, above " + bufferLimit + ": " + stats);
        }
    }

    /** Whether a lease of this capacity may start at an offset of its native buffer. */
    boolean isPlace(long offset, long capacity) {
        return plan.compact()
                ? offset % GRANULE == 0
                : offset % capacity == 0 && offset + capacity <= nativeBytes(capacity);
    }

    /** Bytes of the native buffer of a block, in a pool with a bucket for each power of two. */
    private long nativeBytes(long capacity) {
        return Math.max(capacity, page);
    }

    /** Compares the pool's statistics with the users' model, and returns the leases that a reset would end. */
    private List<MarkedLease> requireBalance() {
        List<MarkedLease> parked =
                gpuWork.stream().flatMap(work -> work.waiting().stream()).toList();
        pool.limits().setTrimIdleAfter(Duration.ZERO);
        if (!plan.resets()) {
            // A trim of idle memory may still be moving buffers with complete fences to the cache.
            Async.await(() -> pool.stats().parkedCount() == parked.size(), () -> parked.size() + " parked in " + pool);
        }
        PoolStats stats = pool.stats();
        requireConsistent(stats);
        long granted = users.stream().mapToLong(user -> user.granted).sum();
        long failed = refusals();
        long ended = users.stream().mapToLong(user -> user.ended).sum();
        List<MarkedLease> held = new ArrayList<>(users.stream()
                .flatMap(user -> Stream.concat(user.held.stream(), user.contested.stream()))
                .toList());
        MarkedLease left = exchanged.get();
        if (left != null) {
            held.add(left);
        }
        List<MarkedLease> live =
                held.stream().filter(lease -> !lease.buffer.isReleased()).toList();
        List<MarkedLease> active = Stream.concat(live.stream(), ofSharedScope()).toList();
        active.forEach(MarkedLease::requireUntouched);

        assertThat(stats.hits() + stats.nativeAllocations()).as("leases").isEqualTo(granted);
        assertThat(stats.failedAllocations()).as("refusals").isEqualTo(failed);
        assertThat(stats.requests()).as("requests").isEqualTo(granted + failed);
        assertThat(stats.activeCount()).as("active leases").isEqualTo(active.size());
        assertThat(stats.requestedBytes())
                .as("bytes that were asked for")
                .isEqualTo(active.stream()
                        .mapToLong(lease -> lease.buffer.byteLength())
                        .sum());
        assertThat(stats.activeBytes())
                .as("bytes of leases")
                .isEqualTo(active.stream()
                        .mapToLong(lease -> lease.buffer.capacity())
                        .sum());
        long parkedBytes =
                parked.stream().mapToLong(lease -> lease.buffer.capacity()).sum();
        if (plan.resets()) {
            assertThat(granted - ended).as("leases not ended by a release").isGreaterThanOrEqualTo(active.size());
            assertThat(stats.parkedCount()).as("parked").isGreaterThanOrEqualTo(parked.size());
            assertThat(stats.parkedBytes()).as("parked bytes").isGreaterThanOrEqualTo(parkedBytes);
        } else {
            assertThat(granted - ended).as("leases that did not end").isEqualTo(active.size());
            assertThat(stats.parkedBytes()).as("parked bytes").isEqualTo(parkedBytes);
        }
        requireFootprintOnDevice();
        return live;
    }

    private Stream<MarkedLease> ofSharedScope() {
        return users.stream().flatMap(user -> user.ofSharedScope.stream());
    }

    /** Checks that every byte of the pool's native buffers is active, cached or parked. */
    private void requireFootprintOnDevice() {
        Async.await(
                () -> device.allocatedBytes() - bytesBefore == pool.stats().footprintBytes(),
                () -> device.allocatedBytes() + " bytes after " + bytesBefore + " in " + pool.stats());
    }

    /** Frees what it can, and checks that the native buffers of these blocks are left, and no other. */
    private void requireNoOtherBuffers(List<MarkedLease> blocks) {
        pool.clear();
        Map<DeviceMemory, Long> bytes = new IdentityHashMap<>();
        blocks.forEach(lease -> bytes.put(lease.nativeBuffer, nativeBytes(lease.buffer.capacity())));
        Async.await(
                () -> ownBuffers() == bytes.size(),
                () -> ownBuffers() + " native buffers of " + blocks + " in " + pool.stats());
        requireFootprintOnDevice();
        if (!plan.compact()) {
            assertThat(pool.stats().footprintBytes())
                    .as("bytes of native buffers")
                    .isEqualTo(
                            bytes.values().stream().mapToLong(Long::longValue).sum());
        }
    }

    private long ownBuffers() {
        return NativeFaults.liveBuffers() - buffersBefore;
    }

    /** Checks that the pool leases no memory that a reset has parked until the fence is complete. */
    private void requireParkingByReset(List<MarkedLease> live) {
        gpuWork.forEach(work -> work.complete(false, true));
        Async.await(() -> pool.stats().parkedCount() == 0, () -> "parked, though every fence is complete: " + pool);
        GpuWork last = new GpuWork(device);
        last.reset(pool);
        assertThat(pool.stats().parkedCount()).as("parked by a reset").isEqualTo(live.size());
        live.forEach(lease -> assertThat(lease.buffer.isReleased()).isTrue());
        requireNoOtherBuffers(Stream.concat(live.stream(), ofSharedScope()).toList());
        if (!plan.closes()) {
            pool.limits().setMemoryLimit(MlxBufferPool.UNLIMITED);
            pool.limits().setBufferLimit(MlxBufferPool.UNLIMITED);
            List<MlxBuffer> probes = new ArrayList<>();
            for (long bytes = 1; bytes <= 2 * ROUND_TO_PAGES_ABOVE; bytes *= 4) {
                for (int i = 0; i < PROBES; i++) {
                    MlxBuffer probe = pool.alloc(bytes, DType.U8);
                    probe.segment().fill((byte) 0x55);
                    probes.add(probe);
                }
            }
            probes.forEach(MlxBuffer::close);
        }
        live.forEach(MarkedLease::requireUntouched);
        last.complete(false, true);
        Async.await(() -> pool.stats().parkedCount() == 0, () -> "parked, though every fence is complete: " + pool);
    }

    private void requireNothingLost() {
        sharedScope.close();
        if (plan.closes()) {
            Async.await(() -> pool.stats().footprintBytes() == 0, () -> "a closed pool has " + pool.stats());
        }
        assertThat(pool.stats())
                .returns(0, PoolStats::activeCount)
                .returns(0L, PoolStats::activeBytes)
                .returns(0L, PoolStats::requestedBytes)
                .returns(0, PoolStats::parkedCount)
                .returns(0L, PoolStats::parkedBytes);
        assertThat(pool.leakedCount()).as("leaks").isZero();
        pool.clear();
        assertThat(pool.stats().footprintBytes()).as("footprint").isZero();
        Async.await(() -> ownBuffers() == 0, () -> ownBuffers() + " native buffers after clear");
    }

    /** Checks that an empty pool counts nothing towards its limits: they can be used to the last page. */
    private void requireLimitsToThePage() {
        pool.limits().setTrimIdleAfter(Duration.ZERO);
        pool.limits().setWaitForParked(Duration.ZERO);
        pool.limits().setMemoryLimit(4 * page);
        pool.limits().setBufferLimit(2);
        MlxBuffer first = pool.alloc(2 * page, DType.U8);
        MlxBuffer second = pool.alloc(page, DType.U8);
        requireRefused(1);
        pool.limits().setBufferLimit(3);
        requireRefused(page + 1);
        MlxBuffer third = pool.alloc(page, DType.U8);
        pool.limits().setBufferLimit(MlxBufferPool.UNLIMITED);
        requireRefused(1);
        List.of(first, second, third).forEach(pool::release);
        pool.alloc(4 * page, DType.U8).close();
        pool.clear();
    }

    private void requireRefused(long bytes) {
        assertThatExceptionOfType(BufferAllocationException.class).isThrownBy(() -> pool.alloc(bytes, DType.U8));
    }

    /** Drops scopes, and checks that the pool finds them. A pool that was reset reports no other dropped leases. */
    private void requireLeaksFound() {
        if (!plan.watched()) {
            return;
        }
        pool.limits().setMemoryLimit(MlxBufferPool.UNLIMITED);
        for (int i = 0; i < PROBES; i++) {
            pool.scope().alloc(DType.U8, 1);
        }
        Async.await(
                () -> {
                    System.gc();
                    return pool.leakedCount() == PROBES;
                },
                () -> pool.leakedCount() + " leaks of " + PROBES);
        assertThat(pool.stats().activeCount()).isZero();
    }

    private void requireNothingNative() {
        Async.await(
                () -> ownBuffers() == 0
                        && NativeFaults.liveEvents() == eventsBefore
                        && NativeFaults.liveDevices() == devicesBefore,
                () -> NativeFaults.liveBuffers() + " buffers, " + NativeFaults.liveEvents() + " events, "
                        + NativeFaults.liveDevices() + " devices are left");
    }

    /** The seed and the plan, which repeat a failure as far as the scheduling of the threads allows. */
    @Override
    public String toString() {
        return "seed " + seed + ", " + plan;
    }
}
