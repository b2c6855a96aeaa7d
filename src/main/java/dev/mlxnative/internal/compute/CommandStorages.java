package dev.mlxnative.internal.compute;

import org.jspecify.annotations.Nullable;

/** Storages of ended command buffers, for later ones. Thread-safe. */
final class CommandStorages {
    private static final int MOST = 8;

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

    /** Keeps a storage without commands, unless there are enough. */
    synchronized void keep(CommandStorage storage) {
        if (count < MOST) {
            storage.next = first;
            first = storage;
            count++;
        }
    }
}
