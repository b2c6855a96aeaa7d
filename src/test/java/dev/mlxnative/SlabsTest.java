package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The placement alone, on native buffers that are never touched. */
class SlabsTest {
    private static final long PAGE = 16_384;

    private final MlxDevice device = MlxDevice.open();
    private final Buckets sizes = new Buckets(
            256, MlxBufferPool.UNLIMITED, device.pageSize(), device.info().maxBufferLength());
    private final Slabs slabs = new Slabs();
    private final List<NativeBuffer> made = new ArrayList<>();

    @AfterEach
    void free() {
        made.forEach(memory -> MlxDevice.free(memory, () -> {}));
        device.close();
    }

    /** As a pool does. */
    private Block request(long byteLength) {
        Block block = slabs.take(sizes, byteLength, false);
        if (block == null) {
            slabs.makeWayFor(sizes, byteLength);
            NativeBuffer memory = device.allocate(slabs.capacityForNew(sizes, byteLength, false));
            made.add(memory);
            block = slabs.add(memory, byteLength);
        }
        block.requestedBytes = byteLength;
        return block;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void blocksNeverOverlapAndNothingIsLost(long seed) {
        Random random = new Random(seed);
        List<Block> out = new ArrayList<>();
        TreeMap<Long, Block> byAddress = new TreeMap<>();
        long bytesOut = 0;
        for (int step = 0; step < 20_000; step++) {
            if (random.nextInt(100) < (step / 2_000 % 2 == 0 ? 60 : 40) || out.isEmpty()) {
                long byteLength = 1 + (long) Math.exp(random.nextDouble() * Math.log(200_000));
                Block block = request(byteLength);
                assertThat(block.capacity()).isEqualTo((byteLength + 255) / 256 * 256);
                assertThat(block.offset() % 256).isZero();
                assertThat(block.offset() + block.capacity())
                        .isLessThanOrEqualTo(block.memory().capacity());
                var before = byAddress.floorEntry(block.address());
                if (before != null) {
                    assertThat(before.getKey() + before.getValue().capacity()).isLessThanOrEqualTo(block.address());
                }
                Long after = byAddress.ceilingKey(block.address());
                if (after != null) {
                    assertThat(block.address() + block.capacity()).isLessThanOrEqualTo(after);
                }
                byAddress.put(block.address(), block);
                out.add(block);
                bytesOut += block.capacity();
            } else {
                Block block = out.remove(random.nextInt(out.size()));
                byAddress.remove(block.address());
                bytesOut -= block.capacity();
                slabs.add(block, false);
            }
            assertThat(slabs.bytes() + bytesOut).isEqualTo(totalBytes(out));
        }
        out.forEach(block -> slabs.add(block, false));
        assertThat(slabs.count()).as("one hole in each slab").isEqualTo(slabs.evictableCount());
        assertThat(slabs.bytes()).isEqualTo(slabs.evictableBytes());
        while (slabs.evict() != null) {}
        assertThat(slabs.bytes()).isZero();
        assertThat(slabs.count()).isZero();
    }

    /** Of the slabs that somebody uses, and of those that are wholly free. */
    private long totalBytes(List<Block> out) {
        return slabs.evictableBytes()
                + out.stream()
                        .map(Block::memory)
                        .distinct()
                        .mapToLong(NativeBuffer::capacity)
                        .sum();
    }

    @Test
    void theSmallestHoleOfTheOldestSlabInUseServes() {
        Block first = request(4 * PAGE);
        Block second = request(2 * PAGE);
        Block third = request(PAGE);
        assertThat(second.memory()).isNotSameAs(first.memory());
        slabs.add(second, false);
        slabs.add(third, false);
        Block small = request(256);
        assertThat(small.memory()).as("what is empty stays empty").isNotSameAs(first.memory());
        slabs.add(first, false);
        Block next = request(256);
        assertThat(next.memory()).isSameAs(small.memory());
    }

    @Test
    void emptySlabsMakeWayForALargerOne() {
        slabs.add(request(PAGE), false);
        assertThat(slabs.makeWayFor(sizes, 4 * PAGE)).containsExactlyElementsOf(made);
        assertThat(slabs.capacityForNew(sizes, 100 * PAGE, false))
                .as("all that may be held, in whole pages")
                .isEqualTo(114 * PAGE);
    }

    @Test
    void whatLayIdleLongestGoesFirst() {
        Block first = request(PAGE);
        Block second = request(2 * PAGE);
        slabs.add(second, false);
        slabs.add(first, false);
        assertThat(slabs.evictableSince()).isEqualTo(1);
        assertThat(slabs.evict()).isSameAs(second.memory());
        assertThat(slabs.evict()).isSameAs(first.memory());
        assertThat(slabs.evict()).isNull();
        assertThat(slabs.evictableSince()).isEqualTo(Long.MAX_VALUE);
    }
}
