package dev.mlxnative.internal.compute;

import org.jspecify.annotations.Nullable;

/** Storages of ended command buffers, for later ones. Thread-safe. */
final class CommandStorages {
    private static final int MOST = 8;
    /** The words of the largest stream whose storage is kept: 1 MiB. */
    private static final int MOST_WORDS = 1 << 17;

    private @Nullable CommandStorage first;
    private int count;

    /** A storage without commands. */
    synchronized CommandStorage take() {
        CommandStorage storage = first;
        if (storage == null) {
            return new CommandStorage();
        }
        first = storage.next;
        storage.next = null;
        count--;
        return storage;
    }

    /** Keeps a storage without commands, unless it is large or there are enough. */
    synchronized void keep(CommandStorage storage) {
        if (count < MOST && storage.stream.array().length <= MOST_WORDS) {
            storage.next = first;
            first = storage;
            count++;
        }
    }
}
