package dev.mlxnative.bench.replay;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/** The bytes of a trace file, unpacked if they are gzip data. They end where gzip data is damaged. */
final class TraceBytes extends BufferedInputStream {

    private final Source source;

    private TraceBytes(Source source) {
        super(source);
        this.source = source;
    }

    /** Recognises gzip by its first bytes and not by the name, because the name of a rotated log is arbitrary. */
    static TraceBytes open(Path file) throws IOException {
        var source = new Source(new BufferedInputStream(Files.newInputStream(file)));
        try {
            source.unzip();
            return new TraceBytes(source);
        } catch (IOException e) {
            source.close();
            throw e;
        }
    }

    /** Returns the next bytes, at most {@code count}, without consuming them. */
    byte[] peek(int count) throws IOException {
        mark(count);
        byte[] head = readNBytes(count);
        reset();
        return head;
    }

    /** Whether gzip data broke off before the end, as far as it was read. */
    boolean isTruncated() {
        return source.damage instanceof EOFException;
    }

    /** Why gzip data could not be read to the end, as far as it was read; null if nothing was wrong. */
    @Nullable
    String damage() {
        if (source.damage == null) {
            return null;
        }
        return isTruncated() ? "truncated gzip" : "corrupt gzip: " + source.damage.getMessage();
    }

    /** Ends where an error is met. An exception would make the readers above it drop bytes that they have buffered. */
    private static final class Source extends FilterInputStream {

        private @Nullable IOException damage;

        Source(BufferedInputStream packed) {
            super(packed);
        }

        void unzip() throws IOException {
            in.mark(2);
            boolean gzip = in.read() == 0x1f && in.read() == 0x8b;
            in.reset();
            if (gzip) {
                try {
                    in = new GZIPInputStream(in);
                } catch (EOFException | ZipException e) {
                    damage = e;
                }
            }
        }

        @Override
        public int read() throws IOException {
            byte[] next = new byte[1];
            return read(next, 0, 1) < 0 ? -1 : next[0] & 0xff;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            if (damage != null) {
                return -1;
            }
            try {
                return in.read(bytes, offset, length);
            } catch (EOFException | ZipException e) {
                damage = e;
                return -1;
            }
        }

        @Override
        public boolean markSupported() {
            return false;
        }
    }
}
