package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.ref.Reference;
import java.lang.ref.WeakReference;
import org.junit.jupiter.api.Test;

class SegregatedFreeListsTest {
    private static final long PAGE = FakeMemorySource.PAGE;

    private final FakeMemorySource source = new FakeMemorySource();
    private final SegregatedFreeLists lists = new SegregatedFreeLists(PAGE);
    /** Powers of two up to four pages, whole pages above. */
    private final SizeRounding rounding = new SizeRounding(256, 4 * PAGE, PAGE, FakeMemorySource.MAX_BUFFER_LENGTH);

    private Block free(long capacity) {
        return free(capacity, false);
    }

    private Block free(long capacity, boolean evictFirst) {
        Block block = lists.addNew(rounding, source.allocate(capacity), capacity);
        lists.free(block, evictFirst);
        return block;
    }

    private Block take(long byteLength) {
        return lists.take(rounding, byteLength, false);
    }

    @Test
    void anEmptySpaceServesNothing() {
        assertThat(take(256)).isNull();
        assertThat(lists.evict()).isNull();
        assertThat(lists.evictableSince()).isEqualTo(Long.MAX_VALUE);
        assertThat(lists.count()).isZero();
        assertThat(lists.bytes()).isZero();
    }

    @Test
    void newMemoryIsOneBlock() {
        Block block = lists.addNew(rounding, source.allocate(2 * PAGE), 2 * PAGE - 1);
        assertThat(block.capacity()).isEqualTo(2 * PAGE);
        assertThat(block.offset()).isZero();
        assertThat(lists.count()).as("it is leased, not free").isZero();
    }

    @Test
    void aRequestIsServedByItsBucketAlone() {
        free(PAGE);
        Block fitting = free(2 * PAGE);
        free(4 * PAGE);
        assertThat(take(2 * PAGE - 1)).isSameAs(fitting);
        assertThat(take(2 * PAGE - 1)).isNull();
    }

    @Test
    void theBlockThatBecameFreeLastIsTakenFirst() {
        Block first = free(2 * PAGE);
        Block second = free(2 * PAGE);
        assertThat(take(2 * PAGE)).isSameAs(second);
        assertThat(take(2 * PAGE)).isSameAs(first);
    }

    @Test
    void pagesAreServedByTheSmallestMemoryThatIsUpToAnEighthLarger() {
        free(25 * PAGE);
        Block larger = free(23 * PAGE);
        Block largest = free(24 * PAGE);
        assertThat(take(22 * PAGE)).isSameAs(larger);
        assertThat(take(22 * PAGE)).isSameAs(largest);
        assertThat(take(22 * PAGE)).as("25 pages are too many for 22").isNull();
    }

    @Test
    void pagesAreServedByMemoryOfExactlyTheLargestSize() {
        Block largest = free(27 * PAGE);
        assertThat(take(24 * PAGE)).isSameAs(largest);
    }

    @Test
    void pagesAreServedByAtMostTheirPowerOfTwo() {
        free(9 * PAGE);
        assertThat(take(8 * PAGE)).isNull();
    }

    /** Lengths of one power of two, one after another: a plain power of two would hold one buffer. */
    @Test
    void unusedMemoryExceedsWhatPowersOfTwoWouldHold() {
        free(10 * PAGE);
        assertThat(lists.excessWith(6 * PAGE)).as("it fits beside 8 pages").isNegative();
        assertThat(lists.excessWith(7 * PAGE)).isEqualTo((10 + 7 - 16 - 8) * PAGE);
        assertThat(lists.excessWith(11 * PAGE)).isEqualTo((10 + 11 - 16) * PAGE);
        lists.evictLargest();
        assertThat(lists.excessWith(11 * PAGE)).isEqualTo((11 - 16) * PAGE);
    }

    @Test
    void theMostLeasesAtOnceCount() {
        Block first = lists.addNew(rounding, source.allocate(10 * PAGE), 10 * PAGE);
        assertThat(lists.excessWith(11 * PAGE)).isEqualTo((10 + 11 - 32) * PAGE);
        Block second = lists.addNew(rounding, source.allocate(11 * PAGE), 11 * PAGE);
        lists.free(first, false);
        assertThat(lists.quarantine(second)).isNotNull();
        assertThat(lists.excessWith(12 * PAGE)).isEqualTo((10 + 12 - 32) * PAGE);
        assertThat(lists.idleBytesWith(12 * PAGE)).isEqualTo((10 + 12 - 21) * PAGE);
    }

    @Test
    void theLargestUnusedMemoryIsEvictedAndOfEqualsTheOldest() {
        free(256);
        Block small = free(2 * PAGE);
        Block older = free(4 * PAGE);
        Block newer = free(4 * PAGE);
        assertThat(lists.evictLargest()).isSameAs(older.memory());
        assertThat(lists.evictLargest()).isSameAs(newer.memory());
        assertThat(lists.evictLargest()).isSameAs(small.memory());
        assertThat(lists.evictLargest()).as("a page that small leases share").isNull();
        assertThat(lists.idleBytesWith(PAGE)).isEqualTo(PAGE - 4 * PAGE);
    }

    @Test
    void pagesAreNotServedByMemoryThatIsSmaller() {
        free(22 * PAGE);
        assertThat(take(22 * PAGE + 1)).isNull();
    }

    @Test
    void underPressureAPowerOfTwoIsNotUsedForMuchLess() {
        Block powerOfTwo = free(4 * PAGE);
        assertThat(lists.take(rounding, 2 * PAGE + 1, true)).isNull();
        assertThat(lists.take(rounding, 3 * PAGE + 1, true)).isSameAs(powerOfTwo);
    }

    @Test
    void newMemoryIsRoundedToPagesUnderPressure() {
        assertThat(lists.capacityForNew(rounding, 2 * PAGE + 1, false)).isEqualTo(4 * PAGE);
        assertThat(lists.capacityForNew(rounding, 2 * PAGE + 1, true)).isEqualTo(3 * PAGE);
        assertThat(lists.leastCapacityForNew(rounding, 2 * PAGE + 1)).isEqualTo(3 * PAGE);
    }

    @Test
    void evictionGoesByTheOrderOfBecomingFreeOverAllBuckets() {
        Block first = free(4 * PAGE);
        Block second = free(2 * PAGE);
        Block third = free(4 * PAGE);
        assertThat(lists.evictableSince()).isEqualTo(1);
        assertThat(lists.evict()).isSameAs(first.memory());
        assertThat(lists.evictableSince()).isEqualTo(2);
        assertThat(lists.evict()).isSameAs(second.memory());
        assertThat(lists.evict()).isSameAs(third.memory());
        assertThat(lists.evict()).isNull();
    }

    @Test
    void aBlockCanBeMarkedForEvictionBeforeAllOthers() {
        Block first = free(2 * PAGE);
        Block marked = free(4 * PAGE, true);
        Block alsoMarked = free(4 * PAGE, true);
        assertThat(lists.evictableSince()).isZero();
        assertThat(lists.frees()).isEqualTo(3);
        assertThat(lists.evict()).isSameAs(alsoMarked.memory());
        assertThat(lists.evict()).isSameAs(marked.memory());
        assertThat(lists.evict()).isSameAs(first.memory());
        assertThat(lists.evict()).isNull();
    }

    @Test
    void aMarkedBlockCanBeTheOnlyOne() {
        Block marked = free(4 * PAGE, true);
        Block next = free(2 * PAGE);
        assertThat(lists.evict()).isSameAs(marked.memory());
        assertThat(lists.evict()).isSameAs(next.memory());
    }

    @Test
    void takingABlockFromTheMiddleKeepsTheOrderOfEviction() {
        Block first = free(2 * PAGE);
        Block middle = free(4 * PAGE);
        Block last = free(8 * PAGE);
        assertThat(take(4 * PAGE)).isSameAs(middle);
        assertThat(lists.evict()).isSameAs(first.memory());
        assertThat(lists.evict()).isSameAs(last.memory());
        assertThat(lists.evict()).isNull();
    }

    @Test
    void takingTheEndsKeepsTheOrderOfEviction() {
        Block first = free(2 * PAGE);
        Block middle = free(4 * PAGE);
        Block last = free(8 * PAGE);
        assertThat(take(2 * PAGE)).isSameAs(first);
        assertThat(take(8 * PAGE)).isSameAs(last);
        Block next = free(8 * PAGE);
        assertThat(lists.evict()).isSameAs(middle.memory());
        assertThat(lists.evict()).isSameAs(next.memory());
    }

    @Test
    void aBlockThatIsTakenAndFreedAgainIsTheNewest() {
        Block first = free(2 * PAGE);
        Block second = free(4 * PAGE);
        lists.free(take(2 * PAGE), false);
        assertThat(lists.frees()).isEqualTo(3);
        assertThat(lists.evict()).isSameAs(second.memory());
        assertThat(lists.evictableSince()).isEqualTo(3);
        assertThat(lists.evict()).isSameAs(first.memory());
    }

    @Test
    void allFreeMemoryIsCountedAndEvictable() {
        free(2 * PAGE);
        free(3 * PAGE);
        assertThat(lists.count()).isEqualTo(2);
        assertThat(lists.bytes()).isEqualTo(5 * PAGE);
        assertThat(lists.evictableCount()).isEqualTo(2);
        assertThat(lists.evictableBytes()).isEqualTo(5 * PAGE);
        take(2 * PAGE);
        assertThat(lists.count()).isEqualTo(1);
        assertThat(lists.bytes()).isEqualTo(3 * PAGE);
        lists.evict();
        assertThat(lists.evictableCount()).isZero();
        assertThat(lists.evictableBytes()).isZero();
    }

    @Test
    void aPageRoundedBucketIsForgottenWhenItIsEmpty() {
        Block small = free(22 * PAGE);
        Block sameSize = free(22 * PAGE);
        Block large = free(23 * PAGE);
        assertThat(take(21 * PAGE + 1)).isSameAs(sameSize);
        assertThat(take(21 * PAGE + 1)).isSameAs(small);
        assertThat(take(21 * PAGE + 1)).as("the next larger bucket").isSameAs(large);
        assertThat(take(21 * PAGE + 1)).isNull();
        free(22 * PAGE);
        assertThat(take(21 * PAGE + 1)).isNotNull();
    }

    /** They would add up, one for each length that was ever requested. */
    @Test
    void aPageRoundedBucketWithoutMemoryIsRemovedWhenAnotherIsMade() {
        Reference<Bucket> abandoned = bucketOf(22 * PAGE);
        Block leased = lists.addNew(rounding, source.allocate(24 * PAGE), 24 * PAGE);
        assertThat(lists.evict()).isNotNull();
        Waiting.until("the bucket is garbage", () -> {
            lists.evict();
            bucketOf(23 * PAGE);
            System.gc();
            return abandoned.refersTo(null);
        });
        lists.free(leased, false);
        assertThat(take(24 * PAGE)).as("its bucket has stayed").isSameAs(leased);
        Block sameSizeAgain = free(22 * PAGE);
        assertThat(take(22 * PAGE)).isSameAs(sameSizeAgain);
    }

    private Reference<Bucket> bucketOf(long capacity) {
        return new WeakReference<>(((Slab) free(capacity).division()).bucket());
    }

    @Test
    void aBlockIsNeverQuarantinedWithOthers() {
        Block leaked = lists.addNew(rounding, source.allocate(2 * PAGE), 2 * PAGE - 1);
        assertThat(lists.quarantine(leaked)).isSameAs(leaked.memory());
        assertThat(lists.hasDrained()).isFalse();
        assertThat(lists.isObstructed(rounding, 1 << 20)).isFalse();
    }
}
