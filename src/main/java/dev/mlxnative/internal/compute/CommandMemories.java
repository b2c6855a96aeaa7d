package dev.mlxnative.internal.compute;

import org.jspecify.annotations.Nullable;

/** Memories of committed streams, for later ones. Not thread-safe; the queue's lock guards it. */
final class CommandMemories {
    private static final int MOST = 8;

    private @Nullable CommandMemory first;
    private int count;

    /** A memory without commands. */
    CommandMemory take() {
        CommandMemory memory = first;
        if (memory == null) {
            return new CommandMemory();
        }
        first = memory.next;
        memory.next = null;
        count--;
        return memory;
    }

    /** Keeps a memory whose commands are not needed any more, unless there are enough. */
    void keep(CommandMemory memory) {
        if (count < MOST) {
            memory.next = first;
            first = memory;
            count++;
        }
    }
}
