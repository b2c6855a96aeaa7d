package dev.mlxnative.internal.shim;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/**
 * What an ELF file says of itself, for faults that the loader of Linux does not report well. It maps the segments of a
 * truncated file beyond its end, and the process dies with SIGBUS when the loader reads them. Of a library for another
 * processor it says that there is no such file.
 *
 * @param machine the processor, as {@link Platform#arch} names it, or the number of another one
 * @param endOfSegments the offset in bytes at which the last segment ends
 */
record ElfFile(String machine, long endOfSegments) {
    private static final int MAGIC = 0x7f454c46;
    private static final int CLASS_OFFSET = 4;
    private static final int CLASS_64 = 2;
    private static final int BYTE_ORDER_OFFSET = 5;
    private static final int BIG_ENDIAN = 2;

    private static final int HEADER_BYTES = 64;
    private static final int MACHINE_OFFSET = 18;
    private static final int TABLE_OFFSET = 32;
    private static final int ENTRY_BYTES_OFFSET = 54;
    private static final int ENTRIES_OFFSET = 56;

    private static final int ENTRY_BYTES = 56;
    private static final int SEGMENT_OFFSET = 8;
    private static final int SEGMENT_BYTES_OFFSET = 32;

    /** Reads a file; null if it is not a 64-bit ELF file with whole headers. */
    static @Nullable ElfFile read(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file)) {
            ByteBuffer header = read(channel, 0, HEADER_BYTES);
            if (header.limit() < HEADER_BYTES || header.getInt(0) != MAGIC || header.get(CLASS_OFFSET) != CLASS_64) {
                return null;
            }
            ByteOrder order =
                    header.get(BYTE_ORDER_OFFSET) == BIG_ENDIAN ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
            header.order(order);
            long table = header.getLong(TABLE_OFFSET);
            int entryBytes = Short.toUnsignedInt(header.getShort(ENTRY_BYTES_OFFSET));
            int entries = Short.toUnsignedInt(header.getShort(ENTRIES_OFFSET));
            long end = 0;
            for (int i = 0; i < entries; i++) {
                ByteBuffer entry = read(channel, table + (long) i * entryBytes, ENTRY_BYTES)
                        .order(order);
                if (entry.limit() < ENTRY_BYTES) {
                    return null;
                }
                end = Math.max(end, end(entry.getLong(SEGMENT_OFFSET), entry.getLong(SEGMENT_BYTES_OFFSET)));
            }
            return new ElfFile(machine(Short.toUnsignedInt(header.getShort(MACHINE_OFFSET))), end);
        }
    }

    private static String machine(int number) {
        return switch (number) {
            case 62 -> "x86_64";
            case 183 -> "aarch64";
            default -> "machine " + number;
        };
    }

    /** Whether the processors of an architecture execute the file; true also if the architecture is an unknown one. */
    boolean runsOn(String arch) {
        return machine.equals(arch) || !(arch.equals("x86_64") || arch.equals("aarch64"));
    }

    /** The end of an unsigned range, or the largest {@code long}. */
    private static long end(long offset, long bytes) {
        return offset < 0 || bytes < 0 || offset + bytes < 0 ? Long.MAX_VALUE : offset + bytes;
    }

    /** Reads up to {@code bytes} bytes, fewer at the end of the file and none at a negative position. */
    private static ByteBuffer read(FileChannel channel, long position, int bytes) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocate(bytes);
        while (position >= 0 && buffer.hasRemaining()) {
            if (channel.read(buffer, position + buffer.position()) < 0) {
                break;
            }
        }
        return buffer.flip();
    }
}
