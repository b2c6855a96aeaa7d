package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;

/** A pool with the default settings. */
class PoolTest extends PowerOfTwoContract {
    @Override
    MlxBufferPool.Builder configure(MlxBufferPool.Builder builder) {
        return builder;
    }

    @Nested
    class StaleSegments {
        @Test
        void seeTheNextContentsOrThrow() {
            assertStaleSegmentsSeeTheNextContentsOrThrow();
        }

        @Test
        void keepTheirMemoryDuringANativeCall() throws Exception {
            MlxBuffer buffer = pool.alloc(DType.U8, 1 << 20);
            try (BlockingCall call = BlockingCall.on(buffer.segment())) {
                buffer.close();
                assertThat(pool.clear()).isEqualTo(1 << 20);
                assertThat(device.allocatedBytes()).isGreaterThan(bytesBefore);
            }
            AllocatedBytes.assertBackTo(device, bytesBefore);
        }
    }

    @Test
    void reusedMemoryHasTheContentsOfTheLastLease() {
        MlxBuffer buffer = pool.alloc(DType.U8, 100);
        buffer.segment().fill((byte) 5);
        buffer.close();
        MlxBuffer next = pool.alloc(DType.U8, 100);
        assertThat(next.segment().toArray(JAVA_BYTE)).containsOnly(5);
        next.close();
    }
}
