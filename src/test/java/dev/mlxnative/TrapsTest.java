package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Known defects of the Rust original and of similar pools. Each test fails if this library has the defect. */
@Tag("contract")
@ParameterizedClass
@EnumSource(Sizing.class)
class TrapsTest {
    private final Sizing sizing;
    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();
    private final MlxBufferPool pool;

    TrapsTest(Sizing sizing) {
        this.sizing = sizing;
        pool = pool();
    }

    private MlxBufferPool pool() {
        return MlxBufferPool.builder(device).sizing(sizing).build();
    }

    @AfterEach
    void close() {
        pool.reset();
        pool.close();
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    /** The original caches a foreign buffer of 3,000 bytes under 4,096, and leases it for 4,000. */
    @Test
    void trap1_foreignBuffersAreRefused() {
        MlxBuffer foreign = device.allocBuffer(3000, DType.U8);
        assertThatIllegalArgumentException().isThrownBy(() -> pool.release(foreign));
        MlxBuffer buffer = pool.alloc(4000, DType.U8);
        assertThat(buffer.segment().byteSize()).isEqualTo(4000);
        buffer.segment().fill((byte) 1);
        foreign.close();
    }

    /** In the original, the length is that of the bucket: a reader of 12,289 floats reads 16,384. */
    @Test
    void trap2_theLengthIsTheRequests() {
        MlxBuffer buffer = pool.alloc(DType.F32, 12_289);
        assertThat(buffer.byteLength()).isEqualTo(49_156);
        assertThat(buffer.segment().byteSize()).isEqualTo(49_156);
        assertThat(buffer.elementCount()).isEqualTo(12_289);
        assertThat(buffer.capacity()).isGreaterThan(49_156);
    }

    /** The original clears neither new nor reused memory: five cold runs give five different results. */
    @Test
    void trap3_contentsAreDefined() {
        for (int run = 0; run < 5; run++) {
            try (MlxBufferPool cold = pool();
                    MlxBufferPool clearing = MlxBufferPool.builder(device)
                            .sizing(sizing)
                            .zeroing(Zeroing.ALWAYS)
                            .build()) {
                for (MlxBufferPool each : List.of(cold, clearing)) {
                    MlxBuffer buffer = each.alloc(DType.U8, 50_000);
                    assertThat(buffer.block().segment().toArray(JAVA_BYTE)).containsOnly(0);
                    buffer.block().segment().fill((byte) 0xEE);
                    buffer.close();
                }
                MlxBuffer reused = clearing.alloc(DType.U8, 40_000);
                assertThat(reused.block().segment().toArray(JAVA_BYTE)).containsOnly(0);
                reused.close();
            }
        }
    }

    /** The original leases a released buffer again while the GPU still reads it. */
    @Test
    void trap4_memoryInFlightIsNotLeased() {
        try (MlxSharedEvent event = device.newSharedEvent()) {
            MlxBuffer inFlight = pool.alloc(1000, DType.U8);
            long address = inFlight.segment().address();
            pool.release(inFlight, event.at(1));
            for (int i = 0; i < 10; i++) {
                assertIsApartFrom(address, pool.alloc(1000, DType.U8));
            }
            pool.reset(event.at(2));
            assertIsApartFrom(address, pool.alloc(1000, DType.U8));
            assertThat(pool.clear()).isZero();
            assertThat(pool.stats().parkedCount()).isEqualTo(11);
            event.signal(2);
            PoolStats stats = pool.stats();
            assertThat(stats).returns(1, PoolStats::activeCount).returns(0, PoolStats::parkedCount);
            assertThat(stats.cachedBytes()).isEqualTo(stats.footprintBytes() - 1024);
        }
    }

    private static void assertIsApartFrom(long address, MlxBuffer buffer) {
        long distance = Math.abs(buffer.segment().address() - address);
        assertThat(distance).isGreaterThanOrEqualTo(1000);
    }

    /** The original accepts a length of 0, lengths above 2^62, and shapes that are larger than the length. */
    @Test
    void trap5_impossibleRequestsAreRefused() {
        for (long byteLength : new long[] {0, -1, (1L << 62) + 1, Long.MAX_VALUE}) {
            assertThatIllegalArgumentException().isThrownBy(() -> pool.alloc(byteLength, DType.U8));
            assertThatIllegalArgumentException().isThrownBy(() -> device.allocBuffer(byteLength, DType.U8));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> pool.alloc(16, DType.F32, 5));
        assertThatIllegalArgumentException().isThrownBy(() -> device.allocBuffer(16, DType.F32, 5));
        assertThat(pool.stats().requests()).isZero();
    }

    /** The original promises "a free buffer of compatible size". Here, free memory serves what fits in it. */
    @Test
    void trap6_freeMemoryServesWhatFitsInItAndNothingElse() {
        pool.alloc(65_536, DType.U8).close();
        for (long byteLength : new long[] {65_536, 50_000, 65_535}) {
            MlxBuffer fitting = pool.alloc(byteLength, DType.U8);
            fitting.segment().fill((byte) 1);
            fitting.close();
        }
        assertThat(pool.stats()).returns(3L, PoolStats::hits).returns(1L, PoolStats::nativeAllocations);
        MlxBuffer larger = pool.alloc(65_537, DType.U8);
        assertThat(pool.stats()).returns(3L, PoolStats::hits).returns(2L, PoolStats::nativeAllocations);
        larger.segment().fill((byte) 1);
    }

    /** The original frees no memory: it caches 98 GB for 4 GB in use. */
    @Test
    void trap7_cachedMemoryIsCountedAndFreed() {
        List<MlxBuffer> buffers = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            buffers.add(pool.alloc(1 << 20, DType.U8));
        }
        buffers.forEach(pool::release);
        assertThat(pool.freeBytes()).isEqualTo(64L << 20);
        assertThat(pool.trim(8L << 20)).isEqualTo(56L << 20);
        AllocatedBytes.assertBackTo(device, bytesBefore + (8L << 20));
        pool.clear();
        AllocatedBytes.assertBackTo(device, bytesBefore);
    }

    /** In the original, a buffer that is released and then reset is on the free list twice, and gets two owners. */
    @Test
    void trap8_releaseAndResetMix() {
        List<MlxBuffer> buffers = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            buffers.add(pool.alloc(100_000, DType.U8));
        }
        for (int i = 0; i < 10; i += 2) {
            pool.release(buffers.get(i));
        }
        pool.reset();
        assertThat(pool.freeCount()).isEqualTo(10);
        for (MlxBuffer buffer : buffers) {
            assertThatIllegalStateException().isThrownBy(() -> pool.release(buffer));
        }
        List<MlxBuffer> owners = new ArrayList<>();
        for (byte owner = 0; owner < 10; owner++) {
            MlxBuffer buffer = pool.alloc(100_000, DType.U8);
            buffer.segment().fill(owner);
            owners.add(buffer);
        }
        for (byte owner = 0; owner < 10; owner++) {
            assertThat(owners.get(owner).segment().toArray(JAVA_BYTE)).containsOnly(owner);
        }
        assertThat(pool.stats().nativeAllocations()).isEqualTo(10);
    }

    /** In the original, releasing a view frees the parent under other views. */
    @Test
    void trap9_viewsNeverFreeTheirParent() {
        MlxBuffer parent = pool.alloc(1000, DType.U8);
        MlxBuffer first = parent.slice(0, DType.U8, 100);
        MlxBuffer second = parent.slice(100, DType.U8, 100);
        assertThatIllegalArgumentException().isThrownBy(() -> pool.release(first));
        first.close();
        MlxBuffer other = pool.alloc(1000, DType.U8);
        other.segment().fill((byte) 9);
        assertThat(second.segment().toArray(JAVA_BYTE)).containsOnly(0);
        pool.release(parent);
        assertThatIllegalStateException().isThrownBy(second::segment);
    }

    /** A stale segment never reaches freed memory. */
    @Test
    void staleSegmentsThrowOnceTheMemoryIsFreed() {
        MlxBuffer buffer = pool.alloc(1000, DType.U8);
        MemorySegment stale = buffer.segment();
        buffer.close();
        pool.clear();
        assertThatIllegalStateException().isThrownBy(() -> stale.fill((byte) 1));
    }
}
