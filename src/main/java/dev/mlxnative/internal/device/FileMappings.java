package dev.mlxnative.internal.device;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.ClosedByInterruptException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystem;
import java.nio.file.attribute.FileTime;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The read-only mappings of files. Each is of a whole file, and its users share it until the last one releases it: a
 * process can have a limited number of mappings, but a file has any number of tensors. Thread-safe.
 */
final class FileMappings {
    private final MappingLimit limit;
    private final ConcurrentHashMap<Version, RefCountedHandle> open = new ConcurrentHashMap<>();

    FileMappings(MappingLimit limit) {
        this.limit = limit;
    }

    /**
     * A file and its contents. A changed file gets a mapping of its own: it may have another size, or be another file
     * that has the key of a deleted one.
     */
    private record Version(FileSystem system, Object key, long size, FileTime modified) {
        static Version of(MappableFile file) {
            // A file without a key is equal to no other.
            Object key = Objects.requireNonNullElseGet(file.key(), Object::new);
            return new Version(file.path().getFileSystem(), key, file.size(), file.modified());
        }
    }

    /**
     * A mapping of a file, which the caller releases. Its segment has the size of the file.
     *
     * @param file at least 1 byte
     * @throws IOException if the file cannot be read or mapped, or the process has no mapping left for it
     */
    RefCountedHandle acquire(MappableFile file) throws IOException {
        Version version = Version.of(file);
        RefCountedHandle known = open.get(version);
        if (known != null && known.tryAcquire()) {
            return known;
        }
        RefCountedHandle made = map(file, version);
        RefCountedHandle shared = null;
        try {
            // Another thread may have mapped the file meanwhile.
            shared = open.compute(version, (key, other) -> other != null && other.tryAcquire() ? other : made);
            return shared;
        } finally {
            if (shared != made) {
                made.release();
            }
        }
    }

    private RefCountedHandle map(MappableFile file, Version version) throws IOException {
        Arena pages = Arena.ofShared();
        RefCountedHandle made = null;
        try (FileChannel channel = file.open()) {
            limit.take(file.path());
            made = new RefCountedHandle("mapping", map(channel, file, pages), mapping -> {
                open.computeIfPresent(
                        version, (key, current) -> current.handle().equals(mapping) ? null : current);
                pages.close();
            });
            return made;
        } finally {
            if (made == null && pages.scope().isAlive()) {
                pages.close();
            }
        }
    }

    private static MemorySegment map(FileChannel channel, MappableFile file, Arena pages) throws IOException {
        if (channel.size() < file.size()) {
            throw new IOException(file.path() + " has been truncated from " + file.size() + " to " + channel.size()
                    + " bytes while it was opened");
        }
        try {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, file.size(), pages);
        } catch (UnsupportedOperationException e) {
            throw file.cannotBeMapped(e);
        } catch (ClosedByInterruptException e) {
            throw e;
        } catch (IOException e) {
            throw new IOException(
                    "the " + file.size() + " bytes of " + file.path() + " cannot be mapped: " + e.getMessage(), e);
        }
    }
}
