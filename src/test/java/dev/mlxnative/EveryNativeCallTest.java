package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.internal.device.DeviceTraits;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Runs that create native objects of every kind. In each run, the device refuses another of the creations, or of the
 * changes of a purgeable state.
 */
@Tag("faults")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@ParameterizedClass
@EnumSource(Sizing.class)
class EveryNativeCallTest {
    private static final int STEPS = 3;
    private static final int LIMIT_IN_PAGES = 16;
    private static final int BUFFER_LIMIT = 6;
    private static final long FAR_AWAY = 10_000;
    private static final long[] IDLE_BYTES = {100, 100_000, 1_000_000};

    @RegisterExtension
    final LogRecords log = new LogRecords();

    @TempDir
    Path folder;

    private final MlxDevice witness = MlxDevice.open();
    private final long bytesBefore = witness.allocatedBytes();
    private final Sizing sizing;
    private Path file;

    EveryNativeCallTest(Sizing sizing) {
        this.sizing = sizing;
    }

    @BeforeEach
    void writeFile() throws IOException {
        file = Files.write(folder.resolve("weights"), new byte[50_000]);
    }

    @AfterEach
    void end() {
        NativeFaults.clear();
        witness.close();
    }

    @Test
    void aSingleRefusalFailsNoRequestToAPool() throws Exception {
        long creations = creationsOfARun();
        assertThat(creations).isGreaterThan(30);
        for (long nth = 1; nth <= creations; nth++) {
            try (Run run = new Run()) {
                NativeFaults.failCreate(nth, 1);
                run.perform();
                assertThat(run.refusedToPools)
                        .as("refusals after creation %d", nth)
                        .isZero();
                assertThat(run.refusedDirectly)
                        .as("refusals of creation %d", nth)
                        .isLessThanOrEqualTo(1);
                run.succeedsNow();
            }
            nothingIsLeft();
        }
    }

    @Test
    void refusalsFromAnyMomentOnEndWithTheFault() throws Exception {
        // A thread that watches a fence can free its memory in time to save a run a creation.
        long creations = creationsOfARun() - 1;
        for (long nth = 1; nth <= creations; nth++) {
            try (Run run = new Run()) {
                NativeFaults.failCreate(nth, FAR_AWAY);
                run.perform();
                assertThat(run.refusedToPools + run.refusedDirectly)
                        .as("refusals from creation %d on", nth)
                        .isPositive();
                run.succeedsNow();
            }
            nothingIsLeft();
        }
    }

    /** Idle memory becomes volatile, and then it is leased again. One of the changes of its state is refused. */
    @Test
    void aRefusalToChangeAPurgeableStateFailsNoRequest() {
        int freed = 0;
        // Each buffer changes its state twice, and one of them once more, because the next sweep repeats the change.
        for (long nth = 1; nth <= 2 * IDLE_BYTES.length + 1; nth++) {
            try (MlxDevice device = MlxDevice.open();
                    MlxBufferPool pool = MlxBufferPool.builder(device)
                            .sizing(sizing)
                            .trimIdleAfter(Duration.ZERO)
                            .purgeableAfter(Duration.ofMillis(2))
                            .build()) {
                NativeFaults.failPurgeable(nth, 1);
                leaseAll(pool).forEach(PurgeableState::awaitVolatile);
                leaseAll(pool);
                freed += log.with("does not give back").size();
                PoolStats stats = pool.stats();
                assertThat(stats)
                        .returns(2L * IDLE_BYTES.length, PoolStats::requests)
                        .returns(0, PoolStats::activeCount)
                        .returns(stats.cachedBytes(), PoolStats::footprintBytes);
                AllocatedBytes.assertBackTo(witness, bytesBefore + stats.footprintBytes());
            }
            NativeFaults.clear();
            nothingIsLeft();
        }
        assertThat(freed).as("buffers that were not given back").isPositive();
    }

    /** Leases buffers that are never volatile, and ends the leases; returns the states of the buffers. */
    private static List<PurgeableState> leaseAll(MlxBufferPool pool) {
        List<MlxBuffer> buffers = new ArrayList<>();
        List<PurgeableState> states = new ArrayList<>();
        for (long bytes : IDLE_BYTES) {
            MlxBuffer buffer = pool.alloc(bytes, DType.U8);
            buffers.add(buffer);
            states.add(PurgeableState.of(buffer));
        }
        assertThat(states).noneMatch(PurgeableState::isVolatile);
        buffers.forEach(MlxBuffer::close);
        return states;
    }

    /**
     * Counts the creations of a run. The run has a fault far beyond its end, and events use up the creations that are
     * left before the fault.
     */
    private long creationsOfARun() throws Exception {
        try (Run run = new Run()) {
            NativeFaults.failCreate(FAR_AWAY, 1);
            run.perform();
            assertThat(run.refusedToPools + run.refusedDirectly).isZero();
            long left = 1;
            while (createsAnEvent()) {
                left++;
            }
            run.succeedsNow();
            return FAR_AWAY - left;
        } finally {
            nothingIsLeft();
        }
    }

    private boolean createsAnEvent() {
        try {
            witness.newSharedEvent().close();
            return true;
        } catch (MlxException e) {
            return false;
        }
    }

    /** Bytes of the smallest native buffer of a pool. */
    private long smallestBuffer(DeviceTraits traits) {
        return sizing == Sizing.COMPACT ? traits.chunkUnit() : traits.pageSize();
    }

    private int copyWarnings() {
        return log.with("bytes are copied for the device").size();
    }

    private void nothingIsLeft() {
        AllocatedBytes.assertBackTo(witness, bytesBefore);
        assertThat(NativeFaults.liveBuffers()).isZero();
        assertThat(NativeFaults.liveEvents()).isZero();
        assertThat(NativeFaults.liveResidencySets()).isZero();
        assertThat(NativeFaults.liveDevices()).as("devices but the witness").isEqualTo(1);
    }

    /** One run, with counts of its refusals. */
    private final class Run implements AutoCloseable {
        private final MlxDevice device = MlxDevice.open();
        private final long page = smallestBuffer(device.nativeDevice().traits());
        private final Arena arena = Arena.ofShared();
        private final int copyWarningsBefore = copyWarnings();
        private final MemorySegment pages = arena.allocate(2 * page, page);
        private final List<MlxBuffer> direct = new ArrayList<>();
        private final List<MlxBufferPool> pools = new ArrayList<>();
        private Optional<MlxSharedEvent> event = Optional.empty();
        private Optional<MlxResidencySet> set = Optional.empty();
        private long directBytes;
        private int refusedDirectly;
        private int refusedToPools;
        private int refusedByLimits;

        void perform() throws Exception {
            event = directly(device::newSharedEvent);
            set = directly(() -> device.newResidencySet("run"));
            makeDirectBuffers();
            direct.forEach(buffer -> set.ifPresent(members -> members.add(buffer)));

            MlxBufferPool.Builder resident = builder().waitForParked(Duration.ZERO);
            set.ifPresent(resident::residencySet);
            pools.add(resident.build());
            pools.add(builder()
                    .minBucketBytes(page)
                    .memoryLimit(LIMIT_IN_PAGES * page)
                    .cacheLimit(MlxBufferPool.UNLIMITED)
                    .bufferLimit(BUFFER_LIMIT)
                    .waitForParked(Duration.ZERO)
                    .build());
            pools.add(builder()
                    .checked(true)
                    .waitForParked(Duration.ZERO)
                    .roundToPagesAbove(page)
                    .leakDetection(LeakDetection.FULL)
                    .build());
            for (int step = 1; step <= STEPS; step++) {
                for (MlxBufferPool pool : pools) {
                    use(pool, step);
                }
                balance();
                long value = step;
                event.ifPresent(reached -> reached.signal(value));
                set.ifPresent(MlxResidencySet::commit);
                balance();
            }
            limitsRefuse();

            NativeFaults.emptyWrap();
            makeDirectBuffers();
            requireCopiesAreReported();
        }

        private MlxBufferPool.Builder builder() {
            return MlxBufferPool.builder(device).sizing(sizing);
        }

        /** The warning precedes the copy of a wrapped segment, and the device may then refuse the copy. */
        private void requireCopiesAreReported() {
            int copies =
                    Math.toIntExact(direct.stream().filter(MlxBuffer::isCopy).count());
            assertThat(copyWarnings() - copyWarningsBefore).isBetween(copies, copies + refusedDirectly);
        }

        private void makeDirectBuffers() throws Exception {
            long before = witness.allocatedBytes();
            directly(() -> device.allocBuffer(DType.U8, 5000)).ifPresent(direct::add);
            directly(() -> device.wrap(pages, DType.U8, 10)).ifPresent(direct::add);
            directly(() -> device.map(file, page + 1, DType.U8, 100)).ifPresent(direct::add);
            directBytes += witness.allocatedBytes() - before;
        }

        /** Requests memory in every way, and ends the leases in every way. */
        private void use(MlxBufferPool pool, int step) throws Exception {
            List<MlxBuffer> held = new ArrayList<>();
            for (long bytes : new long[] {100, page + 1, 3 * page}) {
                fromAPool(() -> pool.alloc(bytes, DType.U8)).ifPresent(held::add);
            }
            if (!held.isEmpty()) {
                MlxBuffer first = held.removeFirst();
                if (event.isPresent()) {
                    pool.release(first, event.get().at(step));
                } else {
                    pool.release(first);
                }
            }
            try (MlxScope scope = pool.scope()) {
                fromAPool(() -> scope.alloc(DType.F32, 10)).ifPresent(MlxBuffer::close);
                fromAPool(() -> scope.allocate(100, 2 * page));
            }
            try (MlxScope scope = pool.confinedScope()) {
                fromAPool(() -> scope.alloc(2 * page, DType.U8));
            }
            if (!held.isEmpty()) {
                held.removeFirst().close();
            }
            pool.reset();
            pool.trim(4 * page);
        }

        /** Exceeds a limit of a pool. The run counts this refusal apart from those that the faults cause. */
        private void limitsRefuse() throws Exception {
            MlxBufferPool limited = pools.get(1);
            int before = refusedToPools;
            assertThat(fromAPool(() -> limited.alloc((LIMIT_IN_PAGES + 1) * page, DType.U8)))
                    .isEmpty();
            refusedByLimits += refusedToPools - before;
            refusedToPools = before;
        }

        private <T> Optional<T> directly(Callable<T> creation) throws Exception {
            try {
                return Optional.of(creation.call());
            } catch (BufferAllocationException e) {
                assertThat(e.poolStats()).isEmpty();
                refusedDirectly++;
                return Optional.empty();
            }
        }

        private <T> Optional<T> fromAPool(Callable<T> request) throws Exception {
            try {
                return Optional.of(request.call());
            } catch (BufferAllocationException e) {
                assertThat(e.poolStats()).isPresent();
                refusedToPools++;
                return Optional.empty();
            }
        }

        private void balance() {
            long alive = directBytes;
            long failed = 0;
            for (MlxBufferPool pool : pools) {
                PoolStats stats = pool.stats();
                assertThat(stats.requests())
                        .isEqualTo(stats.hits() + stats.nativeAllocations() + stats.failedAllocations());
                assertThat(stats)
                        .returns(0, PoolStats::activeCount)
                        .returns(0L, PoolStats::activeBytes)
                        .returns(0L, PoolStats::requestedBytes);
                alive += stats.footprintBytes();
                failed += stats.failedAllocations();
            }
            AllocatedBytes.assertBackTo(witness, bytesBefore + alive);
            assertThat(failed).isEqualTo(refusedToPools + refusedByLimits);
        }

        /** Checks that every request succeeds without the fault, and that the limits can be used to the last page. */
        void succeedsNow() {
            NativeFaults.clear();
            balance();
            for (MlxBufferPool pool : pools) {
                pool.alloc(5 * page, DType.U8).close();
            }
            pools.forEach(MlxBufferPool::clear);
            balance();
            assertThat(NativeFaults.liveBuffers()).isEqualTo(direct.size());
            MlxBufferPool limited = pools.get(1);
            limited.alloc(LIMIT_IN_PAGES * page, DType.U8).close();
            for (int i = 0; i < BUFFER_LIMIT; i++) {
                limited.alloc(1, DType.U8);
            }
            limited.reset();
            balance();
            device.newSharedEvent().close();
            device.newResidencySet("after").close();
            device.allocBuffer(DType.U8, 5000).close();
        }

        @Override
        public void close() {
            NativeFaults.clear();
            pools.forEach(MlxBufferPool::close);
            direct.forEach(MlxBuffer::close);
            set.ifPresent(MlxResidencySet::close);
            event.ifPresent(MlxSharedEvent::close);
            device.close();
            arena.close();
        }
    }
}
