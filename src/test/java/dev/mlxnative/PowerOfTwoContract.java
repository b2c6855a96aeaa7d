package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The contract of pools with one lease per native buffer, whose capacities are powers of two. */
abstract class PowerOfTwoContract extends PoolContract {
    @Nested
    class Buckets {
        @ParameterizedTest
        @CsvSource({
            "1, 256",
            "255, 256",
            "256, 256",
            "257, 512",
            "3000, 4096",
            "4096, 4096",
            "4097, 8192",
            "1000003, 1048576"
        })
        void areThePowersOfTwoFromTheMinimumOn(long byteLength, long bucket) {
            MlxBuffer buffer = pool.alloc(byteLength, DType.U8);
            assertThat(buffer.byteLength()).isEqualTo(byteLength);
            assertThat(buffer.segment().byteSize()).isEqualTo(byteLength);
            assertThat(buffer.capacity()).isEqualTo(bucket);
            assertThat(buffer.handleOffset()).isZero();
            pool.release(buffer);
            assertThat(pool.freeCount()).isEqualTo(1);
            assertThat(pool.freeBytes()).isEqualTo(bucket);
        }

        @Test
        void serveEveryLaterRequestOfTheirs() {
            pool.release(pool.alloc(2049, DType.U8));
            for (long byteLength : new long[] {4096, 2049, 3333}) {
                MlxBuffer buffer = pool.alloc(byteLength, DType.U8);
                assertThat(buffer.segment().byteSize()).isEqualTo(byteLength);
                pool.release(buffer);
            }
            assertThat(pool.stats().nativeAllocations()).isEqualTo(1);
            assertThat(pool.stats().hits()).isEqualTo(3);
        }

        @Test
        void doNotServeEachOthersRequests() {
            pool.release(pool.alloc(8192, DType.U8));
            MlxBuffer small = pool.alloc(4096, DType.U8);
            assertThat(small.capacity()).isEqualTo(4096);
            assertThat(pool.stats().nativeAllocations()).isEqualTo(2);
            assertThat(pool.freeBytes()).isEqualTo(8192);
            small.close();
        }

        @Test
        void canStartHigher() {
            try (MlxBufferPool coarse = configure(MlxBufferPool.builder(device))
                    .minBucketBytes(1 << 16)
                    .build()) {
                MlxBuffer buffer = coarse.alloc(1, DType.U8);
                assertThat(buffer.capacity()).isEqualTo(1 << 16);
                buffer.close();
            }
            MlxBufferPool.Builder builder = MlxBufferPool.builder(device);
            for (long wrong : new long[] {0, -1, 3, 1L << 62, Long.MIN_VALUE, Long.MAX_VALUE}) {
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> builder.minBucketBytes(wrong))
                        .withMessageContaining("not " + wrong);
            }
        }
    }

    @Nested
    class Figures {
        @Test
        void followEveryStep() {
            MlxBuffer first = pool.alloc(1000, DType.U8);
            MlxBuffer second = pool.alloc(3000, DType.U8);
            checkIdentities();
            assertThat(pool.stats())
                    .returns(2L, PoolStats::requests)
                    .returns(0L, PoolStats::hits)
                    .returns(2L, PoolStats::nativeAllocations)
                    .returns(2, PoolStats::activeCount)
                    .returns(5120L, PoolStats::activeBytes)
                    .returns(4000L, PoolStats::requestedBytes)
                    .returns(5120L, PoolStats::peakActiveBytes)
                    .returns(0.0, PoolStats::hitRate);
            pool.release(first);
            pool.release(second, event.at(1));
            checkIdentities();
            assertThat(pool.stats())
                    .returns(0, PoolStats::activeCount)
                    .returns(0L, PoolStats::activeBytes)
                    .returns(0L, PoolStats::requestedBytes)
                    .returns(1, PoolStats::cachedCount)
                    .returns(1024L, PoolStats::cachedBytes)
                    .returns(1, PoolStats::parkedCount)
                    .returns(4096L, PoolStats::parkedBytes)
                    .returns(5120L, PoolStats::footprintBytes)
                    .returns(5120L, PoolStats::peakFootprintBytes);
            pool.alloc(600, DType.U8).close();
            checkIdentities();
            assertThat(pool.clear()).isEqualTo(1024);
            assertThat(pool.stats())
                    .returns(3L, PoolStats::requests)
                    .returns(1L, PoolStats::hits)
                    .returns(1024L, PoolStats::trimmedBytes)
                    .returns(5120L, PoolStats::peakFootprintBytes)
                    .returns(0L, PoolStats::failedAllocations)
                    .returns(1 / 3.0, PoolStats::hitRate);
            assertThat(pool.stats().deviceAllocatedBytes()).isEqualTo(device.allocatedBytes());
        }
    }

    @Nested
    class Evicting {
        @Test
        void takesTheBuffersReleasedLongestAgo() {
            MlxBuffer small = pool.alloc(256, DType.U8);
            MlxBuffer large = pool.alloc(4096, DType.U8);
            MlxBuffer medium = pool.alloc(1024, DType.U8);
            pool.release(large);
            pool.release(small);
            pool.release(medium);
            assertThat(pool.trim(5000)).isEqualTo(4096);
            assertThat(pool.freeBytes()).isEqualTo(1280);
            assertThat(pool.trim(1279)).isEqualTo(256);
            assertThat(pool.trim(1024)).isZero();
            assertThat(pool.freeCount()).isEqualTo(1);
            assertThat(pool.stats().trimmedBytes()).isEqualTo(4352);
            checkIdentities();
        }

        @Test
        void returnsTheBytesThatItFreed() {
            pool.alloc(1 << 20, DType.U8).close();
            assertThat(pool.clear()).isEqualTo(1 << 20);
        }
    }
}
