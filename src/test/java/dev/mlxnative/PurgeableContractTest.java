package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Idle memory of a pool that the system may take, for every library that {@code mlx.shim.path} can name. */
@Tag("contract")
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class PurgeableContractTest {
    private static final Duration SOON = Duration.ofMillis(2);
    private static final long BYTES = 1 << 20;

    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();
    private final List<MlxBufferPool> pools = new ArrayList<>();

    @AfterEach
    void nothingIsLeft() {
        pools.forEach(MlxBufferPool::close);
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    private MlxBufferPool.Builder builder(Sizing sizing) {
        return MlxBufferPool.builder(device)
                .sizing(sizing)
                .trimIdleAfter(Duration.ZERO)
                .purgeableAfter(SOON);
    }

    private MlxBufferPool open(MlxBufferPool.Builder builder) {
        MlxBufferPool pool = builder.build();
        pools.add(pool);
        return pool;
    }

    /** Memory that was leased and is free again. */
    private static PurgeableState free(MlxBufferPool pool) {
        try (MlxBuffer buffer = pool.alloc(BYTES, DType.U8)) {
            return PurgeableState.of(buffer);
        }
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void idleMemoryIsVolatileAndALeaseOnItIsNot(Sizing sizing) {
        MlxBufferPool pool = open(builder(sizing));
        PurgeableState state = free(pool);
        state.awaitVolatile();
        try (MlxBuffer buffer = pool.alloc(BYTES, DType.U8)) {
            assertThat(PurgeableState.of(buffer).isVolatile()).isFalse();
            assertThat(state.isVolatile()).as("it is the same native buffer").isFalse();
            assertThat(pool.stats()).returns(1L, PoolStats::hits).returns(1L, PoolStats::nativeAllocations);
            buffer.segment().fill((byte) 5);
            assertThat(buffer.segment().toArray(ValueLayout.JAVA_BYTE)).containsOnly(5);
        }
        state.awaitVolatile();
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void contentsThatWereNotTakenAreThereAgain(Sizing sizing) {
        MlxBufferPool pool = open(builder(sizing));
        MlxBuffer first = pool.alloc(BYTES, DType.U8);
        first.segment().fill((byte) 5);
        PurgeableState state = PurgeableState.of(first);
        first.close();
        state.awaitVolatile();
        try (MlxBuffer again = pool.alloc(BYTES, DType.U8)) {
            // What was taken is cleared.
            assertThat(again.segment().toArray(ValueLayout.JAVA_BYTE))
                    .containsOnly(again.segment().get(ValueLayout.JAVA_BYTE, 0));
            assertThat(again.segment().get(ValueLayout.JAVA_BYTE, 0)).isIn((byte) 5, (byte) 0);
        }
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void memoryInUseAndParkedMemoryIsNotVolatile(Sizing sizing) {
        MlxBufferPool pool = open(builder(sizing));
        TestFence fence = new TestFence();
        MlxBuffer parked = pool.alloc(8 * BYTES, DType.U8);
        PurgeableState parkedState = PurgeableState.of(parked);
        MlxBuffer held = pool.alloc(4 * BYTES, DType.U8);
        pool.release(parked, fence);
        MlxBufferPool other = open(builder(sizing));
        for (int round = 0; round < 3; round++) {
            free(other).awaitVolatile();
            assertThat(PurgeableState.of(held).isVolatile()).isFalse();
            assertThat(parkedState.isVolatile()).isFalse();
        }
        fence.complete();
        held.close();
        parkedState.awaitVolatile();
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void smallBlocksOfOneNativeBufferAreVolatileTogether(Sizing sizing) {
        MlxBufferPool pool = open(builder(sizing));
        List<MlxBuffer> small = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            small.add(pool.alloc(256, DType.U8));
        }
        PurgeableState state = PurgeableState.of(small.getFirst());
        small.forEach(MlxBuffer::close);
        state.awaitVolatile();
        MlxBuffer first = pool.alloc(256, DType.U8);
        MlxBuffer second = pool.alloc(256, DType.U8);
        assertThat(PurgeableState.of(first).isVolatile()).isFalse();
        assertThat(PurgeableState.of(second).isVolatile()).isFalse();
        first.close();
        free(open(builder(sizing))).awaitVolatile();
        assertThat(PurgeableState.of(second).isVolatile()).as("a lease is left").isFalse();
        second.close();
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void volatileMemoryCountsAsFree(Sizing sizing) {
        MlxBufferPool pool = open(builder(sizing));
        free(pool).awaitVolatile();
        PoolStats stats = pool.stats();
        assertThat(stats.cachedBytes()).isGreaterThanOrEqualTo(BYTES).isEqualTo(stats.footprintBytes());
        assertThat(device.allocatedBytes() - bytesBefore).isEqualTo(stats.footprintBytes());
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void volatileMemoryIsFreedLikeAnyOther(Sizing sizing) {
        MlxBufferPool pool = open(builder(sizing));
        free(pool).awaitVolatile();
        assertThat(pool.clear()).isGreaterThanOrEqualTo(BYTES);
        AllocatedBytes.assertBackTo(device, bytesBefore);
        free(pool).awaitVolatile();
        pool.limits().setCacheLimit(0);
        AllocatedBytes.assertBackTo(device, bytesBefore);
        pool.limits().setCacheLimit(MlxBufferPool.UNLIMITED);
        free(pool).awaitVolatile();
        pool.close();
        AllocatedBytes.assertBackTo(device, bytesBefore);
    }

    @Test
    void aPoolOutlivesItsDeviceWithVolatileMemory() {
        MlxDevice other = MlxDevice.open();
        MlxBufferPool pool = MlxBufferPool.builder(other).purgeableAfter(SOON).build();
        free(pool).awaitVolatile();
        other.close();
        pool.close();
        AllocatedBytes.assertBackTo(device, bytesBefore);
    }

    @ParameterizedTest
    @EnumSource(Sizing.class)
    void theTimeMayChange(Sizing sizing) {
        MlxBufferPool pool = open(builder(sizing).purgeableAfter(Duration.ZERO));
        PurgeableState state = free(pool);
        free(open(builder(sizing))).awaitVolatile();
        assertThat(state.isVolatile()).isFalse();
        pool.limits().setPurgeableAfter(SOON);
        state.awaitVolatile();
        pool.limits().setPurgeableAfter(Duration.ZERO);
        try (MlxBuffer buffer = pool.alloc(BYTES, DType.U8)) {
            assertThat(PurgeableState.of(buffer).isVolatile()).isFalse();
        }
        free(open(builder(sizing))).awaitVolatile();
        assertThat(state.isVolatile()).isFalse();
    }

    @Test
    void memoryOfAResidencySetIsNotVolatile() {
        try (MlxResidencySet set = device.newResidencySet("resident")) {
            MlxBufferPool pool = open(builder(Sizing.POWER_OF_TWO).residencySet(set));
            PurgeableState state = free(pool);
            for (int round = 0; round < 3; round++) {
                free(open(builder(Sizing.POWER_OF_TWO))).awaitVolatile();
                assertThat(state.isVolatile()).isFalse();
            }
            pool.close();
        }
    }
}
