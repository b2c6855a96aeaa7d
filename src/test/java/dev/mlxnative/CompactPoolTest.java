package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A compact pool: several leases share a native buffer. */
class CompactPoolTest extends PoolContract {
    private static final long PAGE = 16_384;

    @Override
    MlxBufferPool.Builder configure(MlxBufferPool.Builder builder) {
        return builder.sizing(Sizing.COMPACT);
    }

    @Nested
    class Blocks {
        @ParameterizedTest
        @CsvSource({"1, 256", "256, 256", "257, 512", "3000, 3072", "1000003, 1000192"})
        void areRoundedUpToGranules(long byteLength, long capacity) {
            MlxBuffer buffer = pool.alloc(byteLength, DType.U8);
            assertThat(buffer.capacity()).isEqualTo(capacity);
            assertThat(buffer.segment().byteSize()).isEqualTo(byteLength);
            buffer.close();
            pool.alloc(5000, DType.U8).close();
            assertThat(buffer.capacity()).as("of a lease that has ended").isEqualTo(capacity);
        }

        @Test
        void shareANativeBuffer() {
            MlxBuffer first = pool.alloc(1000, DType.U8);
            MlxBuffer second = pool.alloc(2000, DType.U8);
            assertThat(second.handle().address()).isEqualTo(first.handle().address());
            assertThat(first.handleOffset()).isZero();
            assertThat(second.handleOffset()).isEqualTo(1024);
            assertThat(second.segment().address() - first.segment().address()).isEqualTo(1024);
            assertThat(second.slice(512, DType.U8, 4).handleOffset()).isEqualTo(1024 + 512);
            assertThat(pool.stats())
                    .returns(1L, PoolStats::nativeAllocations)
                    .returns(1L, PoolStats::hits)
                    .returns(PAGE, PoolStats::footprintBytes)
                    .returns(3072L, PoolStats::activeBytes)
                    .returns(3000L, PoolStats::requestedBytes)
                    .returns(1, PoolStats::cachedCount);
            first.close();
            second.close();
        }

        @Test
        void mergeWhenTheyAreFree() {
            List<MlxBuffer> buffers = new ArrayList<>();
            for (int i = 0; i < 64; i++) {
                buffers.add(pool.alloc(256, DType.U8));
            }
            assertThat(pool.freeCount()).isZero();
            java.util.Collections.shuffle(buffers, new Random(1));
            buffers.forEach(MlxBuffer::close);
            assertThat(pool.freeCount()).isEqualTo(1);
            assertThat(pool.freeBytes()).isEqualTo(PAGE);
            MlxBuffer all = pool.alloc(PAGE - 256, DType.U8);
            assertThat(pool.stats().nativeAllocations()).isEqualTo(1);
            all.close();
        }

        @ParameterizedTest
        @ValueSource(longs = {1, 256, 512, 4096, 65_536, 1 << 20})
        void ofAScopeAreAligned(long alignment) {
            try (MlxScope scope = pool.confinedScope()) {
                scope.allocate(300, 1);
                MemorySegment segment = scope.allocate(100, alignment);
                assertThat(segment.address() % alignment).isZero();
                assertThat(segment.byteSize()).isEqualTo(100);
            }
        }
    }

    @Nested
    class NativeBuffers {
        @Test
        void areFreedWhenAllTheirBlocksAre() {
            MlxBuffer first = pool.alloc(10_000, DType.U8);
            MlxBuffer second = pool.alloc(6_000, DType.U8);
            first.close();
            assertThat(pool.clear()).isZero();
            second.close();
            assertThat(pool.clear()).isEqualTo(PAGE);
            AllocatedBytes.assertBackTo(device, bytesBefore);
        }

        @Test
        void keepTheFootprintNearThePeakOfActiveBytes() {
            Random random = new Random(7);
            List<MlxBuffer> live = new ArrayList<>();
            for (int step = 0; step < 200; step++) {
                for (int i = 0; i < 50; i++) {
                    live.add(pool.alloc(random.nextInt(1, 1_000_000), DType.U8));
                }
                live.forEach(MlxBuffer::close);
                live.clear();
            }
            PoolStats stats = pool.stats();
            assertThat(stats.peakFootprintBytes())
                    .as("sizes that never repeat leave free ranges that fit no later request")
                    .isLessThanOrEqualTo(stats.peakActiveBytes() * 13 / 10);
            assertThat(stats.hitRate()).isGreaterThan(0.97);
        }

        @Test
        void areFreedSoonerIfTheSurplusIsSmaller() {
            assertThat(footprintOfVariedSizes(0.05)).isLessThanOrEqualTo(1.1);
            assertThat(footprintOfVariedSizes(0.5)).isGreaterThan(1.2);
        }

        /** The peak footprint of requests whose sizes vary, as a multiple of the peak of active bytes. */
        private double footprintOfVariedSizes(double surplus) {
            Random random = new Random(7);
            try (MlxBufferPool varied =
                    configure(MlxBufferPool.builder(device)).surplus(surplus).build()) {
                for (int step = 0; step < 40; step++) {
                    try (MlxScope scope = varied.confinedScope()) {
                        for (int i = 0; i < 10; i++) {
                            scope.alloc(random.nextInt(1_000_000, 10_000_000), DType.U8);
                        }
                    }
                }
                PoolStats stats = varied.stats();
                return (double) stats.peakFootprintBytes() / stats.peakActiveBytes();
            }
        }

        @ParameterizedTest
        @ValueSource(doubles = {-0.1, 1.1, Double.NaN})
        void haveASurplusThatIsAShare(double surplus) {
            MlxBufferPool.Builder builder = MlxBufferPool.builder(device);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> builder.surplus(surplus))
                    .withMessage("surplus is not between 0 and 1: " + surplus);
        }

        /** GPU work may still use the memory of a leak: its range is not leased again, and all others are. */
        @Test
        void lendNoRangeOfALeakAgain() {
            MlxBuffer neighbour;
            try (MlxBufferPool leaky = configure(MlxBufferPool.builder(device))
                    .name("leaky")
                    .leakDetection(LeakDetection.FULL)
                    .build()) {
                long leakedOffset = leakBeside(leaky);
                neighbour = leaky.alloc(1000, DType.U8);
                Async.await(() -> {
                    System.gc();
                    return leaky.leakedCount() == 1;
                });
                List<MlxBuffer> rest = new ArrayList<>();
                for (int i = 0; i < 14; i++) {
                    rest.add(leaky.alloc(1024, DType.U8));
                }
                assertThat(rest).as("the rest of the native buffer serves").allSatisfy(buffer -> {
                    assertThat(buffer.handle().address())
                            .isEqualTo(neighbour.handle().address());
                    assertThat(buffer.handleOffset()).isNotEqualTo(leakedOffset);
                });
                assertThat(leaky.stats())
                        .returns(1L, PoolStats::nativeAllocations)
                        .returns(1024L, PoolStats::cachedBytes);
                log.await(1, "0 native buffer(s) of 0 bytes were freed, and 1024 bytes are in quarantine");
                rest.forEach(MlxBuffer::close);
                long before = device.allocatedBytes();
                neighbour.close();
                assertThat(device.allocatedBytes())
                        .as("freed with the last lease")
                        .isEqualTo(before - PAGE);
                assertThat(leaky.stats().footprintBytes()).isZero();
            }
        }

        /** In a method of its own, so that no local variable keeps the buffer. */
        private static long leakBeside(MlxBufferPool leaky) {
            return leaky.alloc(1000, DType.U8).handleOffset();
        }
    }

    @Test
    void staleSegmentsSeeTheNextContentsOrThrow() {
        assertStaleSegmentsSeeTheNextContentsOrThrow();
    }
}
