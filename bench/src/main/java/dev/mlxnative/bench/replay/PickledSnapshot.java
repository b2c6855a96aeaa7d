package dev.mlxnative.bench.replay;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import net.razorvine.pickle.PickleException;

/** Reads the entries of a memory snapshot of PyTorch from a pickle of protocol 2 to 5. Holds the whole snapshot. */
final class PickledSnapshot {

    private static final int PROTO = 0x80;

    private PickledSnapshot() {}

    /** Whether a file that begins with {@code head} is a pickle. Text in UTF-8 does not begin so. */
    static boolean begins(byte[] head) {
        return head.length >= 2 && (head[0] & 0xff) == PROTO && head[1] >= 2 && head[1] <= 5;
    }

    /** Reads the entries of each device. */
    static List<List<SnapshotEntry>> read(Path file, TraceBytes bytes) throws IOException {
        byte[] pickle = bytes.readAllBytes();
        String damage = bytes.damage();
        if (damage != null) {
            throw malformed(file, damage);
        }
        Object snapshot = unpickle(file, pickle);
        if (!(snapshot instanceof Map<?, ?> elements)
                || !(elements.get(SnapshotTrace.ELEMENT) instanceof List<?> lists)) {
            throw malformed(file, "no " + SnapshotTrace.ELEMENT + ": this is not a memory snapshot of PyTorch");
        }
        var devices = new ArrayList<List<SnapshotEntry>>();
        for (Object list : lists) {
            var entries = new ArrayList<SnapshotEntry>();
            if (!(list instanceof List<?> values)) {
                throw notEntries(file);
            }
            for (Object value : values) {
                if (!(value instanceof Map<?, ?> fields)) {
                    throw notEntries(file);
                }
                try {
                    entries.add(SnapshotEntry.of(fields));
                } catch (BadRecordException e) {
                    throw new MalformedTraceException(
                            file, SnapshotTrace.place(devices.size(), entries.size()), e.reason());
                }
            }
            devices.add(entries);
        }
        return devices;
    }

    private static Object unpickle(Path file, byte[] bytes) throws MalformedTraceException {
        var input = new ByteArrayInputStream(bytes);
        Object value;
        try {
            value = new PlainUnpickler().load(input);
        } catch (PickleException | IOException e) {
            throw malformed(file, "bad pickle: " + e.getMessage());
        } catch (RuntimeException e) { // the library checks neither types nor its stack
            throw malformed(file, "bad pickle: " + e);
        }
        if (input.available() > 0) {
            throw malformed(file, "%d bytes after the end of the pickle".formatted(input.available()));
        }
        return value;
    }

    private static MalformedTraceException notEntries(Path file) {
        return malformed(file, SnapshotTrace.ELEMENT + " is not a list of lists of entries");
    }

    private static MalformedTraceException malformed(Path file, String reason) {
        return new MalformedTraceException(file, "pickle", reason);
    }
}
