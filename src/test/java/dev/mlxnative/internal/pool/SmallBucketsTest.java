package dev.mlxnative.internal.pool;

import static dev.mlxnative.internal.pool.PoolSetup.PAGE;
import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.internal.device.DeviceMemory;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@link SegregatedFreeLists} with buckets below a page, which share native buffers of one page. */
class SmallBucketsTest {
    private static final int BLOCKS = 64;

    private final FakeMemorySource source = new FakeMemorySource();
    private final SegregatedFreeLists lists = new SegregatedFreeLists(PAGE);
    private final SizeRounding rounding =
            new SizeRounding(256, Long.MAX_VALUE, PAGE, FakeMemorySource.MAX_BUFFER_LENGTH);

    private Block take(long byteLength) {
        return lists.take(rounding, byteLength, false);
    }

    /** Requests memory in the way of a pool. */
    private Block request(long byteLength) {
        Block block = take(byteLength);
        return block != null ? block : requestNew(byteLength);
    }

    private Block requestNew(long byteLength) {
        DeviceMemory memory = source.allocate(lists.capacityForNew(rounding, byteLength, false));
        return lists.addNew(rounding, memory, byteLength);
    }

    /** All blocks of a new page. */
    private List<Block> requestPage(long byteLength) {
        assertThat(take(byteLength)).as("no free block").isNull();
        Block first = requestNew(byteLength);
        List<Block> blocks = new ArrayList<>(List.of(first));
        for (long i = PAGE / first.capacity(); i > 1; i--) {
            blocks.add(request(byteLength));
        }
        assertThat(blocks).extracting(Block::memory).containsOnly(first.memory());
        return blocks;
    }

    private void freeAll(Collection<Block> blocks) {
        blocks.forEach(block -> lists.free(block, false));
    }

    private void assertNothingIsFree() {
        assertThat(lists.count()).isZero();
        assertThat(lists.bytes()).isZero();
        assertThat(lists.evictableCount()).isZero();
        assertThat(lists.evictableBytes()).isZero();
        assertThat(lists.evict()).isNull();
    }

    @Test
    void aPageServesManyRequestsOfABucket() {
        List<Block> blocks = requestPage(200);
        assertThat(blocks).hasSize(BLOCKS).doesNotHaveDuplicates();
        for (int i = 0; i < BLOCKS; i++) {
            assertThat(blocks.get(i).capacity()).isEqualTo(256);
            assertThat(blocks.get(i).offset()).as("they are adjacent").isEqualTo(256L * i);
        }
        assertThat(take(256)).isNull();
        assertThat(source.takeSteps()).containsExactly("allocate 16384");
        assertThat(requestNew(256).memory()).isNotSameAs(blocks.get(0).memory());
    }

    @Test
    void newMemoryForASmallBucketIsAPage() {
        for (long byteLength : new long[] {1, 256, 5000, PAGE}) {
            assertThat(lists.capacityForNew(rounding, byteLength, false)).isEqualTo(PAGE);
            assertThat(lists.capacityForNew(rounding, byteLength, true)).isEqualTo(PAGE);
            assertThat(lists.leastCapacityForNew(rounding, byteLength)).isEqualTo(PAGE);
        }
    }

    @Test
    void eachBucketHasPagesOfItsOwn() {
        Block small = request(256);
        Block larger = request(257);
        Block half = request(PAGE / 2);
        assertThat(larger.capacity()).isEqualTo(512);
        assertThat(half.capacity()).isEqualTo(PAGE / 2);
        assertThat(Stream.of(small, larger, half).map(Block::memory)).doesNotHaveDuplicates();
        assertThat(request(PAGE / 2).memory()).isSameAs(half.memory());
        assertThat(take(PAGE / 2)).isNull();
    }

    @Test
    void aRequestOfMoreThanHalfAPageHasOneForItself() {
        Block block = request(PAGE / 2 + 1);
        assertThat(block.capacity()).isEqualTo(PAGE);
        assertNothingIsFree();
    }

    @Test
    void freeBlocksAreCountedAndTheirBytes() {
        List<Block> blocks = new ArrayList<>();
        for (int leased = 1; leased <= BLOCKS; leased++) {
            blocks.add(request(256));
            assertThat(lists.count()).isEqualTo(BLOCKS - leased);
            assertThat(lists.bytes()).isEqualTo(PAGE - 256L * leased);
        }
        lists.free(blocks.get(7), false);
        assertThat(lists.count()).isEqualTo(1);
        assertThat(lists.bytes()).isEqualTo(256);
        assertThat(lists.frees()).isEqualTo(1);
    }

    @Test
    void theBlockThatBecameFreeLastIsTakenFirst() {
        List<Block> blocks = requestPage(256);
        lists.free(blocks.get(3), false);
        lists.free(blocks.get(9), false);
        assertThat(take(256)).isSameAs(blocks.get(9));
        assertThat(take(256)).isSameAs(blocks.get(3));
    }

    @Test
    void aPageInUseServesBeforeAnUnusedOne() {
        List<Block> used = requestPage(256);
        List<Block> other = requestPage(256);
        lists.free(used.get(0), false);
        freeAll(other);
        assertThat(take(256)).isSameAs(used.get(0));
        assertThat(take(256)).as("the unused page").isIn(other);
        lists.free(used.get(0), false);
        assertThat(take(256)).as("both are in use, and this became so last").isSameAs(used.get(0));
    }

    @Test
    void aPageIsEvictableOnlyWhenNoBlockIsLeased() {
        List<Block> blocks = requestPage(256);
        Block last = blocks.remove(5);
        freeAll(blocks);
        assertThat(lists.evictableCount()).isZero();
        assertThat(lists.evictableBytes()).isZero();
        assertThat(lists.evictableSince()).isEqualTo(Long.MAX_VALUE);
        assertThat(lists.evict()).isNull();
        lists.free(last, false);
        assertThat(lists.count()).isEqualTo(BLOCKS);
        assertThat(lists.bytes()).isEqualTo(PAGE);
        assertThat(lists.evictableCount()).isEqualTo(1);
        assertThat(lists.evictableBytes()).isEqualTo(PAGE);
        assertThat(lists.evictableSince()).isEqualTo(BLOCKS);
        assertThat(lists.evict()).isSameAs(last.memory());
        assertNothingIsFree();
        assertThat(take(256)).isNull();
    }

    @Test
    void aPageThatServesAgainIsNotEvictable() {
        Block block = request(256);
        lists.free(block, false);
        assertThat(lists.evictableCount()).isEqualTo(1);
        assertThat(take(256)).isSameAs(block);
        assertThat(lists.evictableCount()).isZero();
        assertThat(lists.evict()).isNull();
        assertThat(lists.count()).isEqualTo(BLOCKS - 1);
        assertThat(request(256).memory()).as("the rest of it serves").isSameAs(block.memory());
    }

    @Test
    void pagesAreEvictedInTheOrderOfBecomingUnused() {
        Block first = request(256);
        Block second = request(512);
        Block third = request(2 * PAGE);
        Block fourth = request(512);
        lists.free(second, false);
        lists.free(third, false);
        lists.free(first, false);
        lists.free(fourth, false);
        assertThat(second.memory()).isSameAs(fourth.memory());
        assertThat(lists.evict()).isSameAs(third.memory());
        assertThat(lists.evict()).isSameAs(first.memory());
        assertThat(lists.evict()).isSameAs(second.memory());
        assertNothingIsFree();
    }

    @Test
    void aPageCanBeMarkedForEvictionBeforeAllOthers() {
        Block first = request(512);
        Block marked = request(256);
        lists.free(first, false);
        lists.free(marked, true);
        assertThat(lists.evictableSince()).isZero();
        assertThat(lists.evict()).isSameAs(marked.memory());
        assertThat(lists.evict()).isSameAs(first.memory());
    }

    @Test
    void aQuarantinedBlockIsNeverLeasedAgainAndItsNeighboursAre() {
        List<Block> blocks = requestPage(256);
        Block leaked = blocks.remove(10);
        assertThat(lists.quarantine(leaked)).as("others are leased").isNull();
        assertThat(lists.count()).as("counted as free").isEqualTo(1);
        assertThat(lists.bytes()).isEqualTo(256);
        assertThat(take(256)).isNull();
        lists.free(blocks.get(0), false);
        lists.free(blocks.get(1), false);
        assertThat(take(256)).isSameAs(blocks.get(1));
        assertThat(take(256)).isSameAs(blocks.get(0));
        assertThat(take(256)).isNull();
    }

    @Test
    void aPageIsDrainedWhenItsLastLeaseEnds() {
        Block older = request(2 * PAGE);
        List<Block> blocks = requestPage(256);
        Block leaked = blocks.remove(10);
        lists.quarantine(leaked);
        lists.free(older, false);
        Block last = blocks.remove(20);
        freeAll(blocks);
        assertThat(lists.hasDrained()).isFalse();
        lists.free(last, false);
        assertThat(lists.hasDrained()).isTrue();
        assertThat(take(256)).as("a drained page serves no request").isNull();
        assertThat(lists.evictableCount()).isEqualTo(2);
        assertThat(lists.evictableBytes()).isEqualTo(3 * PAGE);
        assertThat(lists.count()).isEqualTo(BLOCKS + 1);
        assertThat(lists.evictableSince()).isZero();
        assertThat(lists.evict()).as("before memory that is unused for longer").isSameAs(leaked.memory());
        assertThat(lists.hasDrained()).isFalse();
        assertThat(lists.evict()).isSameAs(older.memory());
        assertNothingIsFree();
    }

    @Test
    void aFullPageIsDrainedWhenItsLastLeaseEnds() {
        List<Block> blocks = requestPage(PAGE / 2);
        lists.quarantine(blocks.get(0));
        lists.free(blocks.get(1), false);
        assertThat(lists.hasDrained()).isTrue();
        assertThat(take(PAGE / 2)).isNull();
        assertThat(lists.evict()).isSameAs(blocks.get(0).memory());
        assertNothingIsFree();
    }

    @Test
    void aPageWhoseLastLeaseLeaksIsFreedAtOnce() {
        List<Block> blocks = requestPage(PAGE / 4);
        lists.free(blocks.get(0), false);
        assertThat(lists.quarantine(blocks.get(1))).isNull();
        lists.free(blocks.get(2), false);
        assertThat(lists.quarantine(blocks.get(3))).isSameAs(blocks.get(3).memory());
        assertThat(lists.hasDrained()).isFalse();
        assertThat(take(PAGE / 4)).isNull();
        assertNothingIsFree();
    }

    @Test
    void underPressureASmallRequestTakesABlockOfALargerSmallBucket() {
        Block large = request(4096);
        Block medium = request(1024);
        lists.free(large, false);
        lists.free(medium, false);
        assertThat(take(256)).isNull();
        assertThat(lists.take(rounding, 256, true)).isSameAs(medium);
        Block own = request(256);
        lists.free(own, false);
        assertThat(lists.take(rounding, 256, true)).as("its own bucket first").isSameAs(own);
        assertThat(lists.take(rounding, 2048, true)).isSameAs(large);
        assertThat(lists.take(rounding, 8192, true))
                .as("smaller blocks do not serve")
                .isNull();
    }

    @Test
    void underPressureASmallRequestTakesNoWholePage() {
        lists.free(request(PAGE), false);
        assertThat(lists.take(rounding, 256, true)).isNull();
        assertThat(lists.take(rounding, PAGE / 2, true)).isNull();
        assertThat(lists.take(rounding, PAGE - 1, true)).isNotNull();
    }

    /** Random requests and releases of all buckets, against a model that knows each block and each native buffer. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5})
    void blocksNeverOverlapAndNothingIsLost(long seed) {
        var random = new Random(seed);
        List<Block> leased = new ArrayList<>();
        Set<DeviceMemory> memories = new LinkedHashSet<>();
        TreeMap<Long, Block> byAddress = new TreeMap<>();
        Set<Block> quarantined = new LinkedHashSet<>();
        for (int step = 0; step < 10_000; step++) {
            int action = random.nextInt(100);
            if (action < (step / 1_000 % 2 == 0 ? 55 : 40) || leased.isEmpty()) {
                long byteLength = 1 + (long) Math.exp(random.nextDouble() * Math.log(4 * PAGE));
                Block block = lists.take(rounding, byteLength, random.nextInt(4) == 0);
                if (block == null) {
                    block = requestNew(byteLength);
                    memories.add(block.memory());
                }
                assertThat(block.capacity()).isGreaterThanOrEqualTo(byteLength);
                assertThat(block.address() % Math.min(block.capacity(), PAGE)).isZero();
                assertThat(quarantined).doesNotContain(block);
                assertApart(byAddress, block);
                byAddress.put(block.address(), block);
                leased.add(block);
            } else {
                Block block = leased.remove(random.nextInt(leased.size()));
                byAddress.remove(block.address());
                if (action < 97) {
                    lists.free(block, random.nextInt(10) == 0);
                } else {
                    quarantined.add(block);
                    DeviceMemory freed = lists.quarantine(block);
                    assertThat(freed != null)
                            .as("nothing else of it is leased")
                            .isEqualTo(leased.stream().noneMatch(other -> other.memory() == block.memory()));
                    memories.remove(freed);
                }
            }
            if (random.nextInt(20) == 0) {
                DeviceMemory evicted = lists.evict();
                assertThat(leased).extracting(Block::memory).doesNotContain(evicted);
                memories.remove(evicted);
            }
            assertCounted(memories, leased);
        }
        freeAll(leased);
        for (DeviceMemory memory = lists.evict(); memory != null; memory = lists.evict()) {
            assertThat(memories.remove(memory)).as("each is evicted once").isTrue();
        }
        assertThat(memories).isEmpty();
        assertThat(lists.hasDrained()).isFalse();
        assertNothingIsFree();
    }

    private static void assertApart(TreeMap<Long, Block> leased, Block block) {
        var before = leased.floorEntry(block.address());
        if (before != null) {
            assertThat(before.getKey() + before.getValue().capacity()).isLessThanOrEqualTo(block.address());
        }
        Long after = leased.ceilingKey(block.address());
        if (after != null) {
            assertThat(block.address() + block.capacity()).isLessThanOrEqualTo(after);
        }
    }

    private void assertCounted(Set<DeviceMemory> memories, List<Block> leased) {
        Set<DeviceMemory> inUse = new LinkedHashSet<>();
        long leasedBytes = 0;
        for (Block block : leased) {
            inUse.add(block.memory());
            leasedBytes += block.capacity();
        }
        long totalBytes = 0;
        long inUseBytes = 0;
        for (DeviceMemory memory : memories) {
            totalBytes += memory.capacity();
            inUseBytes += inUse.contains(memory) ? memory.capacity() : 0;
        }
        assertThat(lists.bytes()).isEqualTo(totalBytes - leasedBytes);
        assertThat(lists.evictableBytes()).isEqualTo(totalBytes - inUseBytes);
        assertThat(lists.evictableCount()).isEqualTo(memories.size() - inUse.size());
    }
}
