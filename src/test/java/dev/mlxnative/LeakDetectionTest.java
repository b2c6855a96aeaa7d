package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Leaks: buffers and scopes that a program drops without closing them. */
@Tag("contract")
@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class LeakDetectionTest {
    private static final String LEAK = "had never been closed";

    @RegisterExtension
    final LogRecords log = new LogRecords();

    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();

    @AfterEach
    void allMemoryIsFreed() {
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    private MlxBufferPool pool(LeakDetection level, boolean checked) {
        return MlxBufferPool.builder(device)
                .name("leaky")
                .leakDetection(level)
                .checked(checked)
                .build();
    }

    /** Drops buffers. The method exists so that no local variable of a test keeps a buffer reachable. */
    private static void drop(MlxBufferPool pool, int count) {
        for (int i = 0; i < count; i++) {
            pool.alloc(1000, DType.U8);
        }
    }

    private static void collectUntil(BooleanSupplier condition) {
        Async.await(() -> {
            if (condition.getAsBoolean()) {
                return true;
            }
            System.gc();
            return false;
        });
    }

    /**
     * Waits until the detector has found a leak of another pool: it has then had time to find one of the tested pool.
     */
    private void findALeakOfAnotherPool() {
        try (MlxBufferPool other = pool(LeakDetection.FULL, false)) {
            drop(other, 1);
            collectUntil(() -> !log.with(LEAK).isEmpty());
        }
        assertThat(log.with(LEAK)).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void fullFindsEachOnceAndFreesItsMemory(boolean checked) {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, checked)) {
            MlxBuffer held = pool.alloc(3000, DType.U8);
            drop(pool, 3);
            collectUntil(() -> log.with(LEAK).size() == 3);
            assertThat(pool.leakedCount()).isEqualTo(3);
            assertThat(pool.stats())
                    .returns(1, PoolStats::activeCount)
                    .returns(4096L, PoolStats::activeBytes)
                    .returns(3000L, PoolStats::requestedBytes)
                    .returns(0, PoolStats::cachedCount);
            System.gc();
            assertThat(log.with("leak in pool leaky: a buffer of 1000 bytes became garbage and " + LEAK))
                    .hasSize(3);
            assertThat(log.origins())
                    .hasSize(3)
                    .allSatisfy(origin -> assertThat(origin.getStackTrace())
                            .anyMatch(frame -> frame.getMethodName().equals("drop")));
            held.segment().set(JAVA_BYTE, 2999, (byte) 1);
            held.close();
        }
    }

    @Test
    void sampledFindsSome() {
        try (MlxBufferPool pool = pool(LeakDetection.SAMPLED, false)) {
            drop(pool, 10_000);
            collectUntil(() -> pool.leakedCount() > 0);
            pool.reset();
            // The detector may have found one just before the reset, and log it after.
            collectUntil(() -> pool.stats().activeCount() == 0 && log.with(LEAK).size() == pool.leakedCount());
            assertThat(pool.leakedCount()).isLessThan(400);
        }
    }

    @Test
    void offFindsNone() {
        try (MlxBufferPool pool = pool(LeakDetection.OFF, false)) {
            drop(pool, 1000);
            findALeakOfAnotherPool();
            assertThat(pool.leakedCount()).isZero();
            assertThat(pool.stats().activeCount()).isEqualTo(1000);
            pool.reset();
        }
    }

    @Test
    void releasedBuffersAreNoLeaks() {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, false)) {
            for (int i = 0; i < 100; i++) {
                pool.alloc(1000, DType.U8).close();
            }
            drop(pool, 50);
            pool.reset();
            findALeakOfAnotherPool();
            assertThat(pool.leakedCount()).isZero();
        }
    }

    /** The garbage collection of an earlier lease must not end a later lease of the same memory. */
    @Test
    void theNextHolderOfTheMemoryKeepsIt() {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, false)) {
            pool.alloc(1000, DType.U8).close();
            MlxBuffer next = pool.alloc(1000, DType.U8);
            findALeakOfAnotherPool();
            assertThat(next.isReleased()).isFalse();
            next.close();
        }
    }

    @Test
    void aSliceKeepsItsBuffer() {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, false)) {
            MlxBuffer slice = pool.alloc(1000, DType.U8).slice(10, DType.U8, 5);
            findALeakOfAnotherPool();
            slice.segment().set(JAVA_BYTE, 4, (byte) 1);
            pool.reset();
        }
    }

    @Test
    void aSegmentOfADroppedBufferThrows() {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, false)) {
            MemorySegment segment = pool.alloc(1000, DType.U8).segment();
            collectUntil(() -> pool.leakedCount() == 1);
            log.await(1, LEAK);
            AllocatedBytes.assertBackTo(device, bytesBefore);
            assertThatIllegalStateException().isThrownBy(() -> segment.get(JAVA_BYTE, 0));
        }
    }

    @Test
    void aDroppedLeaseThatANativeCallUsesEndsAfterTheCall() throws Exception {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, true)) {
            try (BlockingCall call = BlockingCall.on(pool.alloc(1000, DType.U8).segment())) {
                collectUntil(() -> !log.with("the leak detector failed for a buffer of 1000 bytes; it tries again")
                        .isEmpty());
                assertThat(pool.stats().activeCount()).isEqualTo(1);
            }
            collectUntil(() -> pool.leakedCount() == 1);
            log.await(1, LEAK);
            assertThat(pool.stats().activeCount()).isZero();
        }
    }

    @Test
    void aDroppedScopeOfACheckedPoolEndsAfterTheNativeCallsThatUseItsBuffers() throws Exception {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, true)) {
            try (BlockingCall call = BlockingCall.on(segmentOfADroppedScope(pool))) {
                collectUntil(() -> pool.leakedCount() == 1);
                assertThat(pool.stats().activeCount()).isEqualTo(1);
            }
            collectUntil(() -> pool.leakedCount() == 2);
            collectUntil(() -> log.with(LEAK).size() == 2);
            log.with("the leak detector failed for a scope with 2 buffer(s)");
            assertThat(pool.stats().activeCount()).isZero();
        }
    }

    private static MemorySegment segmentOfADroppedScope(MlxBufferPool pool) {
        MlxScope scope = pool.scope();
        scope.alloc(1000, DType.U8);
        return scope.alloc(1000, DType.U8).segment();
    }

    /** In a pool that is reset, the reset ends dropped leases. Until then, GPU work may use their memory. */
    @Test
    void aPoolThatIsResetLeavesDroppedBuffersToTheReset() {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, false)) {
            pool.reset();
            drop(pool, 3);
            findALeakOfAnotherPool();
            assertThat(pool.stats().activeCount()).isEqualTo(3);
            pool.reset();
            assertThat(pool.leakedCount()).isZero();
            assertThat(pool.stats())
                    .returns(0, PoolStats::activeCount)
                    .returns(pool.stats().footprintBytes(), PoolStats::cachedBytes);
        }
    }

    @Test
    void aPoolForgetsDroppedBuffersThatAResetHasEnded() {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, false)) {
            for (int step = 0; step < 3; step++) {
                pool.reset();
                drop(pool, 100);
                collectUntil(() -> pool.engine().leaks().awaitingResetCount() == 100);
            }
            pool.reset();
            assertThat(pool.engine().leaks().awaitingResetCount()).isZero();
            assertThat(pool.engine().leaks().activeCount()).isZero();
        }
    }

    @Test
    void closingAPoolThatWasResetReportsDroppedBuffers() {
        MlxBufferPool pool = pool(LeakDetection.FULL, false);
        pool.reset();
        drop(pool, 3);
        collectUntil(() -> pool.engine().leaks().awaitingResetCount() > 0);
        pool.close();
        assertThat(log.with("pool leaky was closed with 3 active buffer(s) of 3,072 bytes"))
                .hasSize(1);
        assertThat(log.with("when pool leaky was closed: a buffer of 1000 bytes"))
                .isNotEmpty();
        collectUntil(() -> pool.leakedCount() == 3);
        log.await(3, LEAK);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aDroppedScopeIsALeak(boolean confined) {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, false)) {
            pool.reset();
            dropScope(pool, confined);
            collectUntil(() -> !log.with(LEAK).isEmpty());
            assertThat(pool.leakedCount()).isEqualTo(2);
            assertThat(log.with("leak in pool leaky: a scope with 3 buffer(s) became garbage and " + LEAK))
                    .hasSize(1);
            assertThat(pool.stats()).returns(0, PoolStats::activeCount).returns(0, PoolStats::parkedCount);
        }
    }

    private static void dropScope(MlxBufferPool pool, boolean confined) {
        MlxScope scope = confined ? pool.confinedScope() : pool.scope();
        scope.alloc(1000, DType.U8);
        scope.allocate(5000, 1);
        scope.alloc(1000, DType.U8).close();
    }

    @Test
    void segmentsAndBuffersKeepTheirScopeReachable() {
        try (MlxBufferPool pool = pool(LeakDetection.FULL, false)) {
            List<Object> held = new ArrayList<>();
            held.add(pool.scope().allocate(100, 1));
            held.add(pool.confinedScope().alloc(DType.F32, 5));
            findALeakOfAnotherPool();
            assertThat(pool.leakedCount()).isZero();
            ((MemorySegment) held.getFirst()).set(JAVA_BYTE, 99, (byte) 1);
            held.clear();
            collectUntil(() -> pool.leakedCount() == 2);
            log.await(3, LEAK);
        }
    }

    @Test
    void closingThePoolTellsWhereActiveLeasesBegan() {
        MlxBufferPool pool = pool(LeakDetection.FULL, false);
        pool.reset();
        MlxBuffer active = pool.alloc(1000, DType.U8);
        pool.alloc(1000, DType.U8).close();
        MlxScope scope = pool.scope();
        scope.alloc(1000, DType.U8);
        pool.close();
        assertThat(log.with("pool leaky was closed with 2 active buffer(s) of 2,048 bytes"))
                .hasSize(1);
        assertThat(log.with("still active when pool leaky was closed: a buffer of 1000 bytes"))
                .hasSize(1);
        assertThat(log.with("still active when pool leaky was closed: a scope with 1 buffer(s)"))
                .hasSize(1);
        assertThat(log.origins())
                .hasSize(2)
                .allSatisfy(origin -> assertThat(origin.getStackTrace())
                        .anyMatch(frame -> frame.getMethodName().startsWith("closingThePool")));
        active.close();
        scope.close();
    }

    @Test
    void aLeakThatIsFoundAfterThePoolIsClosedIsFreed() {
        MlxBufferPool pool = pool(LeakDetection.FULL, false);
        drop(pool, 1);
        pool.close();
        assertThat(log.with("pool leaky was closed with 1 active buffer(s) of 1,024 bytes"))
                .hasSize(1);
        assertThat(log.with("when pool leaky was closed: a buffer of 1000 bytes"))
                .hasSize(1);
        collectUntil(() -> pool.leakedCount() == 1);
        log.await(1, LEAK);
    }
}
