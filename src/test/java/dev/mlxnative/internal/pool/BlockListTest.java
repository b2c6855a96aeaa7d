package dev.mlxnative.internal.pool;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BlockListTest {
    private final FakeMemorySource source = new FakeMemorySource();
    private final BlockList list = new BlockList();
    private final Block first = block();
    private final Block second = block();
    private final Block third = block();

    private Block block() {
        return Block.whole(source.allocate(256));
    }

    private Block block(long freedAt) {
        Block block = block();
        block.freedAt = freedAt;
        return block;
    }

    /** Takes all blocks from the list. */
    private List<Block> blocks() {
        return Chain.blocks(list.takeAll());
    }

    @Test
    void aNewListIsEmpty() {
        assertThat(list.isEmpty()).isTrue();
        assertThat(list.count()).isZero();
        assertThat(list.poll()).isNull();
        assertThat(list.takeAll()).isNull();
    }

    @Test
    void blocksLeaveInTheOrderInWhichTheyWereAdded() {
        list.add(first);
        list.add(second);
        list.add(third);
        assertThat(list.count()).isEqualTo(3);
        assertThat(list.poll()).isSameAs(first);
        assertThat(list.count()).isEqualTo(2);
        assertThat(list.poll()).isSameAs(second);
        assertThat(list.isEmpty()).isFalse();
        assertThat(list.poll()).isSameAs(third);
        assertThat(list.isEmpty()).isTrue();
        assertThat(list.count()).isZero();
        assertThat(list.poll()).isNull();
    }

    @Test
    void aBlockThatHasLeftLeadsToNoOther() {
        list.add(first);
        list.add(second);
        list.poll();
        assertThat(first.next).isNull();
        assertThat(blocks()).containsExactly(second);
    }

    @Test
    void anEmptiedListTakesMore() {
        list.add(first);
        list.poll();
        list.add(second);
        list.add(first);
        assertThat(blocks()).containsExactly(second, first);
        list.add(third);
        assertThat(list.count()).isEqualTo(1);
        assertThat(blocks()).containsExactly(third);
    }

    @Test
    void allBlocksCanBeTakenAsAChain() {
        list.add(first);
        list.add(second);
        assertThat(Chain.blocks(list.takeAll())).containsExactly(first, second);
        assertThat(list.isEmpty()).isTrue();
        assertThat(list.count()).isZero();
    }

    @Test
    void aChainMergedWithNoneStaysAsItIs() {
        assertThat(BlockList.mergeByAge(null, null)).isNull();
        assertThat(merged(Chain.of(first, second), null)).containsExactly(first, second);
        assertThat(merged(null, Chain.of(first, second))).containsExactly(first, second);
    }

    @Test
    void chainsAreMergedInTheOrderOfBecomingFree() {
        Block[] b = {block(0), block(1), block(2), block(3), block(4)};
        assertThat(merged(Chain.of(b[0], b[3]), Chain.of(b[1], b[2], b[4]))).containsExactly(b);
        assertThat(merged(Chain.of(b[1], b[2], b[4]), Chain.of(b[0], b[3]))).containsExactly(b);
        assertThat(merged(Chain.of(b[0], b[1]), Chain.of(b[2], b[3], b[4])))
                .as("one after the other")
                .containsExactly(b);
        assertThat(merged(Chain.of(b[4]), Chain.of(b[0], b[1], b[2], b[3]))).containsExactly(b);
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void chainsOfAnyOrderAreMerged(long seed) {
        var random = new Random(seed);
        for (int round = 0; round < 500; round++) {
            List<List<Block>> chains = Arrays.asList(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
            List<Block> all = new ArrayList<>();
            for (int i = random.nextInt(12); i > 0; i--) {
                Block block = block(all.size());
                all.add(block);
                chains.get(random.nextInt(3)).add(block);
            }
            Block chain = null;
            for (List<Block> each : chains) {
                chain = BlockList.mergeByAge(chain, Chain.of(each.toArray(Block[]::new)));
            }
            assertThat(Chain.blocks(chain))
                    .isSortedAccordingTo(Comparator.comparingLong(block -> block.freedAt))
                    .containsExactlyElementsOf(all);
        }
    }

    /** The blocks of two merged chains, which are in no chain afterwards. */
    private static List<Block> merged(@Nullable Block one, @Nullable Block other) {
        List<Block> merged = Chain.blocks(BlockList.mergeByAge(one, other));
        merged.forEach(block -> block.next = null);
        return merged;
    }
}
