package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SizeRoundingTest {
    private static final long PAGE = 16_384;
    private static final long LARGEST_BUFFER = 24_000_000_000L;

    /** Powers of two up to 1 MiB, whole pages above. */
    private final SizeRounding rounding = new SizeRounding(256, 1 << 20, PAGE, LARGEST_BUFFER);

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

    @ParameterizedTest
    @CsvSource({"524289, 1048576", "1048576, 1048576", "1048577, 1064960", "1064960, 1064960", "1064961, 1081344"})
    void aRequestAboveTheBorderIsRoundedToPages(long byteLength, long capacity) {
        assertThat(rounding.capacity(byteLength)).isEqualTo(capacity);
    }

    @Test
    void aRequestAtTheBorderIsRoundedToAPowerOfTwo() {
        SizeRounding odd = rounding.withRoundToPagesAbove(40_000);
        assertThat(odd.capacity(40_000)).isEqualTo(65_536);
        assertThat(odd.capacity(40_001)).isEqualTo(49_152);
    }

    @ParameterizedTest
    @CsvSource({"1, 256", "300, 512", "16384, 16384", "16385, 32768", "32769, 49152", "60000, 65536"})
    void theLeastCapacityIsPagesOrASmallerPowerOfTwo(long byteLength, long capacity) {
        assertThat(rounding.pages(byteLength)).isEqualTo(capacity);
    }

    @ParameterizedTest
    @CsvSource({
        "1, 16384",
        "16384, 16384",
        "16385, 32768",
        "23999987711, 23999987712",
        "23999987712, 23999987712",
        "23999987713, 24000000000"
    })
    void wholePagesEndAtTheLargestBuffer(long byteLength, long capacity) {
        assertThat(rounding.wholePages(byteLength, PAGE)).isEqualTo(capacity);
    }

    @Test
    void aPowerOfTwoIsServedByItsOwnBucketAlone() {
        assertThat(rounding.largest(1 << 20, 1 << 20, false)).isEqualTo(1 << 20);
        assertThat(rounding.largest(40_000, 65_536, false)).isEqualTo(65_536);
    }

    @Test
    void pagesAreServedByMemoryThatIsAnEighthLarger() {
        assertThat(rounding.largest((1 << 20) + 1, 1_064_960, false)).isEqualTo(1_064_960 + 1_064_960 / 8);
        assertThat(rounding.largest(40_000, 49_152, true)).as("under pressure").isEqualTo(49_152 + 49_152 / 8);
    }

    @Test
    void noMemoryIsLargerThanTheLargestBuffer() {
        long nearlyAll = LARGEST_BUFFER - 1000;
        assertThat(rounding.largest(nearlyAll, LARGEST_BUFFER, false)).isEqualTo(LARGEST_BUFFER);
    }

    @Test
    void shardsCachePowersOfTwoAlone() {
        assertThat(rounding.cachedCapacity(40_000, false)).isEqualTo(65_536);
        assertThat(rounding.cachedCapacity((1 << 20) + 1, false)).isEqualTo(SizeRounding.NONE);
    }

    @Test
    void underPressureACachedBlockServesOnlyRequestsThatItIsLittleLargerThan() {
        assertThat(rounding.cachedCapacity(60_000, true))
                .as("whole pages would be as large")
                .isEqualTo(65_536);
        assertThat(rounding.cachedCapacity(40_000, true))
                .as("whole pages would be 49,152")
                .isEqualTo(SizeRounding.NONE);
        var upToTheLargest = new SizeRounding(256, Long.MAX_VALUE, PAGE, 1L << 34);
        assertThat(upToTheLargest.cachedCapacity((1L << 34) - 20_000, true))
                .as("as large as the largest memory that may serve the request")
                .isEqualTo(1L << 34);
    }

    @Test
    void theBorderBetweenPowersOfTwoAndPagesCanChange() {
        SizeRounding changed = rounding.withRoundToPagesAbove(20_000);
        assertThat(changed).isEqualTo(new SizeRounding(256, 20_000, PAGE, LARGEST_BUFFER));
        assertThat(changed.capacity(40_000)).isEqualTo(49_152);
    }

    @Test
    void onlyAPowerOfTwoIsNotPageRounded() {
        assertThat(SizeRounding.isPageRounded(65_536)).isFalse();
        assertThat(SizeRounding.isPageRounded(49_152)).isTrue();
    }
}
