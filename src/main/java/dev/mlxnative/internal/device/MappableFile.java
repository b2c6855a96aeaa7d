package dev.mlxnative.internal.device;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A regular file as it was when its attributes were read.
 *
 * @param key the identity of the file in its file system; null if the file system has none
 * @param size bytes of the file
 * @param modified when its contents last changed
 */
public record MappableFile(Path path, @Nullable Object key, long size, FileTime modified) {
    private static final long READ_AT_ONCE = 1 << 30;

    /**
     * Reads the attributes of a file without opening it, because opening a pipe waits for a writer.
     *
     * @throws IOException if there is no such file, or it is a directory, a pipe, a socket or a device
     */
    public static MappableFile of(Path path) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
        if (attributes.isDirectory()) {
            throw new IOException(path + " is a directory");
        }
        if (!attributes.isRegularFile()) {
            throw new IOException(path + " is a pipe, a socket or a device, and only regular files can be mapped");
        }
        return new MappableFile(path, attributes.fileKey(), attributes.size(), attributes.lastModifiedTime());
    }

    /**
     * Opens the file for reading.
     *
     * @throws IOException if that fails, or the path leads to another file than when the attributes were read
     */
    FileChannel open() throws IOException {
        FileChannel channel;
        try {
            channel = FileChannel.open(path, StandardOpenOption.READ);
        } catch (UnsupportedOperationException e) {
            throw cannotBeMapped(e);
        }
        boolean same = false;
        try {
            same = Objects.equals(of(path).key, key);
        } finally {
            if (!same) {
                channel.close();
            }
        }
        if (!same) {
            throw new IOException(path + " has been replaced by another file");
        }
        return channel;
    }

    /** The exception for a file system without channels or mappings of files. */
    IOException cannotBeMapped(UnsupportedOperationException cause) {
        String provider = path.getFileSystem().provider().getScheme();
        return new IOException(
                path.toUri() + " is in a file system of the provider '" + provider + "', which maps no files", cause);
    }

    /**
     * Reads a part of the file, by a system call and not by a mapping: a mapping faults if the file has been truncated.
     *
     * @param target the memory for the bytes, whose length is that of the part
     * @throws IOException if the file cannot be read, or is shorter than the part
     */
    void read(long offset, MemorySegment target) throws IOException {
        try (FileChannel channel = open()) {
            long done = 0;
            while (done < target.byteSize()) {
                ByteBuffer rest = target.asSlice(done, Math.min(READ_AT_ONCE, target.byteSize() - done))
                        .asByteBuffer();
                int count = channel.read(rest, offset + done);
                if (count < 0) {
                    throw new IOException(path + " has been truncated to " + channel.size() + " bytes, and "
                            + target.byteSize() + " bytes at offset " + offset + " are needed");
                }
                done += count;
            }
        }
    }
}
