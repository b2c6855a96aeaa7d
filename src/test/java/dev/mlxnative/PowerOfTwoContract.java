package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.ArrayList;
import java.util.List;
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
            assertThat(pool.freeBytes()).as("whole pages").isEqualTo(Math.max(bucket, page()));
            assertThat(pool.freeCount() * bucket).isEqualTo(pool.freeBytes());
        }

        @Test
        void belowAPageShareOne() {
            List<MlxBuffer> buffers = new ArrayList<>();
            for (long offset = 0; offset < page(); offset += 1024) {
                MlxBuffer buffer = pool.alloc(1000, DType.U8);
                assertThat(buffer.handleOffset()).isEqualTo(offset);
                buffer.segment().fill((byte) (offset / 1024));
                buffers.add(buffer);
            }
            assertThat(pool.stats().nativeAllocations()).isEqualTo(1);
            assertThat(pool.stats().footprintBytes()).isEqualTo(page());
            for (int i = 0; i < buffers.size(); i++) {
                byte own = (byte) i;
                assertThat(buffers.get(i).segment().toArray(JAVA_BYTE)).containsOnly(own);
            }
            MlxBuffer next = pool.alloc(1000, DType.U8);
            assertThat(pool.stats().nativeAllocations()).isEqualTo(2);
            next.close();
            buffers.removeFirst().close();
            assertThat(pool.clear()).as("the page without a lease").isEqualTo(page());
            buffers.forEach(MlxBuffer::close);
            assertThat(pool.clear()).isEqualTo(page());
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
            pool.release(pool.alloc(2 * page(), DType.U8));
            MlxBuffer small = pool.alloc(page(), DType.U8);
            assertThat(small.capacity()).isEqualTo(page());
            assertThat(pool.stats().nativeAllocations()).isEqualTo(2);
            assertThat(pool.freeBytes()).isEqualTo(2 * page());
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
            long page = page();
            MlxBuffer first = pool.alloc(page - 24, DType.U8);
            MlxBuffer second = pool.alloc(3 * page, DType.U8);
            checkIdentities();
            assertThat(pool.stats())
                    .returns(2L, PoolStats::requests)
                    .returns(0L, PoolStats::hits)
                    .returns(2L, PoolStats::nativeAllocations)
                    .returns(2, PoolStats::activeCount)
                    .returns(5 * page, PoolStats::activeBytes)
                    .returns(4 * page - 24, PoolStats::requestedBytes)
                    .returns(5 * page, PoolStats::peakActiveBytes)
                    .returns(0.0, PoolStats::hitRate);
            pool.release(first);
            pool.release(second, event.at(1));
            checkIdentities();
            assertThat(pool.stats())
                    .returns(0, PoolStats::activeCount)
                    .returns(0L, PoolStats::activeBytes)
                    .returns(0L, PoolStats::requestedBytes)
                    .returns(1, PoolStats::cachedCount)
                    .returns(page, PoolStats::cachedBytes)
                    .returns(1, PoolStats::parkedCount)
                    .returns(4 * page, PoolStats::parkedBytes)
                    .returns(5 * page, PoolStats::footprintBytes)
                    .returns(5 * page, PoolStats::peakFootprintBytes);
            pool.alloc(page - 100, DType.U8).close();
            checkIdentities();
            assertThat(pool.clear()).isEqualTo(page);
            assertThat(pool.stats())
                    .returns(3L, PoolStats::requests)
                    .returns(1L, PoolStats::hits)
                    .returns(page, PoolStats::trimmedBytes)
                    .returns(5 * page, PoolStats::peakFootprintBytes)
                    .returns(0L, PoolStats::failedAllocations)
                    .returns(1 / 3.0, PoolStats::hitRate);
            assertThat(pool.stats().deviceAllocatedBytes()).isEqualTo(device.allocatedBytes());
        }
    }

    @Nested
    class Evicting {
        @Test
        void takesTheBuffersReleasedLongestAgo() {
            long page = page();
            MlxBuffer small = pool.alloc(page, DType.U8);
            MlxBuffer large = pool.alloc(16 * page, DType.U8);
            MlxBuffer medium = pool.alloc(4 * page, DType.U8);
            pool.release(large);
            pool.release(small);
            pool.release(medium);
            assertThat(pool.trim(20 * page)).isEqualTo(16 * page);
            assertThat(pool.freeBytes()).isEqualTo(5 * page);
            assertThat(pool.trim(5 * page - 1)).isEqualTo(page);
            assertThat(pool.trim(4 * page)).isZero();
            assertThat(pool.freeCount()).isEqualTo(1);
            assertThat(pool.stats().trimmedBytes()).isEqualTo(17 * page);
            checkIdentities();
        }

        @Test
        void returnsTheBytesThatItFreed() {
            pool.alloc(1 << 20, DType.U8).close();
            assertThat(pool.clear()).isEqualTo(1 << 20);
        }
    }
}
