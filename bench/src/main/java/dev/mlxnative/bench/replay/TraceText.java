package dev.mlxnative.bench.replay;

import java.io.BufferedReader;
import java.io.FilterReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** The characters of a trace file. Counts the lines that it delivers. */
final class TraceText extends FilterReader {

    /** The character that the decoder puts in the place of bytes that are not text. */
    static final char REPLACEMENT = '\uFFFD';

    private final Charset charset;
    private long line = 1;
    private int last = '\n';

    private TraceText(BufferedReader in, Charset charset) {
        super(in);
        this.charset = charset;
    }

    /** Decodes UTF-8, or the encoding that a byte order mark names. Skips the mark. */
    static TraceText decode(TraceBytes bytes) throws IOException {
        byte[] head = bytes.peek(ByteOrderMark.LONGEST);
        for (ByteOrderMark mark : ByteOrderMark.values()) {
            if (mark.begins(head)) {
                bytes.skipNBytes(mark.bytes.length);
                return decode(bytes, mark.charset);
            }
        }
        return decode(bytes, StandardCharsets.UTF_8);
    }

    private static TraceText decode(TraceBytes bytes, Charset charset) {
        return new TraceText(new BufferedReader(new InputStreamReader(bytes, charset)), charset);
    }

    /** Returns the first character without consuming it, or -1 if there is none. */
    int first() throws IOException {
        in.mark(1);
        int first = in.read();
        in.reset();
        return first;
    }

    Charset charset() {
        return charset;
    }

    /** The line, from 1, that the next character belongs to. */
    long line() {
        return line;
    }

    /** Whether the characters up to here end with the end of a line. */
    boolean isAtStartOfLine() {
        return last == '\n' || last == '\r';
    }

    @Override
    public int read() throws IOException {
        char[] next = new char[1];
        return read(next, 0, 1) < 0 ? -1 : next[0];
    }

    @Override
    public int read(char[] chars, int offset, int length) throws IOException {
        int count = in.read(chars, offset, length);
        for (int i = offset; i < offset + count; i++) {
            if (chars[i] == '\n') {
                line++;
            }
        }
        if (count > 0) {
            last = chars[offset + count - 1];
        }
        return count;
    }

    @Override
    public boolean markSupported() {
        return false;
    }

    /** The marks in the order of the search: the mark of UTF-16LE begins that of UTF-32LE. */
    private enum ByteOrderMark {
        UTF_8(StandardCharsets.UTF_8, 0xef, 0xbb, 0xbf),
        UTF_32LE(StandardCharsets.UTF_32LE, 0xff, 0xfe, 0, 0),
        UTF_32BE(StandardCharsets.UTF_32BE, 0, 0, 0xfe, 0xff),
        UTF_16LE(StandardCharsets.UTF_16LE, 0xff, 0xfe),
        UTF_16BE(StandardCharsets.UTF_16BE, 0xfe, 0xff);

        static final int LONGEST = 4;

        private final Charset charset;
        private final byte[] bytes;

        ByteOrderMark(Charset charset, int... bytes) {
            this.charset = charset;
            this.bytes = new byte[bytes.length];
            for (int i = 0; i < bytes.length; i++) {
                this.bytes[i] = (byte) bytes[i];
            }
        }

        boolean begins(byte[] head) {
            return head.length >= bytes.length && Arrays.equals(head, 0, bytes.length, bytes, 0, bytes.length);
        }
    }
}
