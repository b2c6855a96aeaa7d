package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SizeRoundingTest {
    @ParameterizedTest
    @CsvSource({
        "1, 256",
        "256, 256",
        "257, 512",
        "4611686018427387904, 24000000000",
        "16000000000, 17179869184",
        "17179869185, 24000000000",
        "24000000000, 24000000000"
    })
    void bucketsEndAtTheLargestBufferOfADevice(long byteLength, long bucket) {
        assertThat(new SizeRounding(256, Long.MAX_VALUE, 16384, 24_000_000_000L).capacity(byteLength))
                .isEqualTo(bucket);
    }
}
