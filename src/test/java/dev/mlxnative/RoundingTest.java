package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The border between powers of two and whole pages, which only {@link Sizing#POWER_OF_TWO} has. */
@Tag("contract")
class RoundingTest {
    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();
    private final long page = device.nativeDevice().traits().pageSize();
    private final MlxBufferPool pool = MlxBufferPool.create(device);

    @AfterEach
    void allMemoryIsFreed() {
        pool.reset();
        pool.close();
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    private MlxBuffer alloc(long byteLength) {
        return pool.alloc(byteLength, DType.U8);
    }

    /** Caches one buffer of each length, released in this order. */
    private void cache(long... byteLengths) {
        List<MlxBuffer> buffers = new ArrayList<>();
        for (long byteLength : byteLengths) {
            buffers.add(alloc(byteLength));
        }
        buffers.forEach(MlxBuffer::close);
    }

    @Test
    void giveLargeRequestsWholePages() {
        pool.limits().setRoundToPagesAbove(4 * page);
        assertThat(alloc(4 * page).capacity()).isEqualTo(4 * page);
        assertThat(alloc(4 * page + 1).capacity()).isEqualTo(5 * page);
        assertThat(alloc(9 * page - 1).capacity()).isEqualTo(9 * page);
        assertThat(alloc(300).capacity()).isEqualTo(512);
    }

    @Test
    void reuseBuffersUpToAnEighthLarger() {
        pool.limits().setRoundToPagesAbove(4 * page);
        alloc(20 * page).close();
        MlxBuffer somewhatSmaller = alloc(18 * page);
        assertThat(somewhatSmaller.capacity()).isEqualTo(20 * page);
        somewhatSmaller.close();
        assertThat(alloc(15 * page).capacity()).isEqualTo(15 * page);
        assertThat(alloc(33 * page).capacity()).isEqualTo(33 * page);
        assertThat(pool.stats()).returns(1L, PoolStats::hits).returns(20 * page, PoolStats::cachedBytes);
    }

    @Test
    void takeTheSmallestThatFits() {
        pool.limits().setRoundToPagesAbove(0);
        cache(19 * page, 18 * page, 17 * page);
        assertThat(alloc(17 * page - 5).capacity()).isEqualTo(17 * page);
        assertThat(alloc(17 * page - 5).capacity()).isEqualTo(18 * page);
    }

    @Test
    void whenChangedReuseBuffersOfEitherRounding() {
        cache(5 * page);
        pool.limits().setRoundToPagesAbove(page);
        assertThat(alloc(8 * page).capacity()).isEqualTo(8 * page);
        alloc(7 * page).close();
        pool.limits().setRoundToPagesAbove(MlxBufferPool.UNLIMITED);
        assertThat(alloc(5 * page).capacity()).isEqualTo(7 * page);
        assertThat(pool.stats().hits()).isEqualTo(2);
    }

    @Test
    void roundToPagesWhereAPowerOfTwoDoesNotFit() {
        pool.limits().setMemoryLimit(5 * page);
        MlxBuffer buffer = alloc(4 * page + 1);
        assertThat(buffer.capacity()).isEqualTo(5 * page);
        assertThat(buffer.byteLength()).isEqualTo(4 * page + 1);
        buffer.close();
        assertThat(alloc(4 * page + 100).capacity()).isEqualTo(5 * page);
        assertThat(pool.stats().hits()).isEqualTo(1);
    }

    /**
     * Once half of the limit is leased, a cached buffer of a power of two would waste the memory that rounding saves.
     */
    @Test
    void roundToPagesOnceHalfIsLeased() {
        cache(8 * page);
        pool.limits().setMemoryLimit(28 * page);
        MlxBuffer first = alloc(5 * page);
        assertThat(first.capacity()).isEqualTo(8 * page);
        cache(8 * page);
        assertThat(alloc(5 * page).capacity()).isEqualTo(5 * page);
        first.close();
        assertThat(alloc(5 * page).capacity()).isEqualTo(8 * page);
    }
}
