package dev.mlxnative;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** A pool that zeroes memory before each lease. */
class ZeroingPoolTest extends PowerOfTwoContract {
    @Override
    MlxBufferPool.Builder configure(MlxBufferPool.Builder builder) {
        return builder.zeroing(Zeroing.ALWAYS);
    }

    @Test
    void noLeaseSeesAnothersBytes() {
        MlxBuffer buffer = pool.alloc(DType.U8, 1024);
        buffer.segment().fill((byte) 5);
        buffer.close();
        MlxBuffer next = pool.alloc(DType.U8, 600);
        assertThat(next.block()).isSameAs(buffer.block());
        assertThat(next.block().segment().toArray(JAVA_BYTE))
                .as("all of the capacity, which a GPU can read through the handle")
                .containsOnly(0);
        next.close();
    }
}
