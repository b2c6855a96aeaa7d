package dev.mlxnative.internal.pool;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Blocks that are linked through {@link Block#next}, as a pool passes them. */
final class Chain {
    private Chain() {}

    /** Links blocks, and returns the first. */
    static @Nullable Block of(Block... blocks) {
        return list(blocks).takeAll();
    }

    /** A list of blocks. */
    static BlockList list(Block... blocks) {
        var list = new BlockList();
        for (Block block : blocks) {
            list.add(block);
        }
        return list;
    }

    /** The blocks of a chain, which stay linked. */
    static List<Block> blocks(@Nullable Block first) {
        List<Block> blocks = new ArrayList<>();
        for (Block block = first; block != null; block = block.next) {
            blocks.add(block);
        }
        return blocks;
    }
}
