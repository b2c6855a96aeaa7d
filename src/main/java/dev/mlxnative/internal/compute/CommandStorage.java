package dev.mlxnative.internal.compute;

import dev.mlxnative.internal.device.RefCountedHandle;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/**
 * What the commands of a command buffer are kept in until it is committed or abandoned; another one of the same queue
 * uses it afterwards. Not thread-safe.
 */
final class CommandStorage {
    private static final int INITIAL_WORDS = 2048;

    final CommandWords stream = new CommandWords(INITIAL_WORDS);

    /* With capacities: ensureCapacity leaves an empty list without one as it is, and add would need heap. */
    final ArrayList<Pipeline> pipelines = new ArrayList<>(1);
    final ArrayList<RefCountedHandle> events = new ArrayList<>(1);
    final ArrayList<Object> buffers = new ArrayList<>(1);

    /** The storage after this one in a {@link CommandStorages}. */
    @Nullable
    CommandStorage next;

    /** Gives up the commands, and releases what they have acquired. */
    void clear() {
        stream.clear();
        buffers.clear();
        while (!pipelines.isEmpty()) {
            pipelines.removeLast().handle().release();
        }
        while (!events.isEmpty()) {
            events.removeLast().release();
        }
    }
}
