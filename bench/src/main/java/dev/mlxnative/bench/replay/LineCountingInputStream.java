package dev.mlxnative.bench.replay;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;

/**
 * An input stream that counts the lines of the bytes it delivers.
 *
 * <p>It tells on which line a truncated file breaks off. The readers above it cannot: they buffer bytes, and drop them
 * when a read fails.
 */
final class LineCountingInputStream extends FilterInputStream {

    private long line = 1;

    LineCountingInputStream(InputStream in) {
        super(in);
    }

    /** The line, from 1, that the next byte belongs to. */
    long line() {
        return line;
    }

    @Override
    public int read() throws IOException {
        int next = in.read();
        if (next == '\n') {
            line++;
        }
        return next;
    }

    @Override
    public int read(byte[] bytes, int offset, int length) throws IOException {
        int count = in.read(bytes, offset, length);
        for (int i = offset; i < offset + count; i++) {
            if (bytes[i] == '\n') {
                line++;
            }
        }
        return count;
    }

    @Override
    public boolean markSupported() {
        return false;
    }
}
