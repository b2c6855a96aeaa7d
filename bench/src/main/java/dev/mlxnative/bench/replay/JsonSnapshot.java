package dev.mlxnative.bench.replay;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.exc.JacksonIOException;
import tools.jackson.core.json.JsonReadFeature;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/** Reads the entries of a memory snapshot of PyTorch from JSON. Holds one entry with its stack frames at a time. */
final class JsonSnapshot {

    /** Accepts the {@code NaN} and {@code Infinity} of Python, and reads one entry although others follow. */
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            .disable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Path file;
    private final JsonParser json;

    private JsonSnapshot(Path file, JsonParser json) {
        this.file = file;
        this.json = json;
    }

    /** Whether a text that begins with {@code first} is JSON and not CSV. */
    static boolean begins(int first) {
        return first == '{' || first == '[';
    }

    /**
     * Reads the entries of each device.
     *
     * @param bytes the bytes behind {@code text}
     */
    static List<List<SnapshotEntry>> read(Path file, TraceBytes bytes, TraceText text) throws IOException {
        try (var json = JSON.createParser(text)) {
            List<List<SnapshotEntry>> devices = new JsonSnapshot(file, json).read();
            requireUndamaged(file, bytes, text);
            return devices;
        } catch (JacksonIOException e) {
            throw e.getCause();
        } catch (JacksonException e) {
            requireUndamaged(file, bytes, text);
            throw new MalformedTraceException(
                    file,
                    e.getLocation() == null ? text.line() : e.getLocation().getLineNr(),
                    "bad JSON: " + e.getOriginalMessage());
        }
    }

    private static void requireUndamaged(Path file, TraceBytes bytes, TraceText text) throws MalformedTraceException {
        String damage = bytes.damage();
        if (damage != null) {
            throw new MalformedTraceException(file, text.line(), damage);
        }
    }

    private List<List<SnapshotEntry>> read() throws MalformedTraceException {
        List<List<SnapshotEntry>> devices = null;
        if (json.nextToken() == JsonToken.START_OBJECT) {
            for (String name = json.nextName(); name != null; name = json.nextName()) {
                json.nextToken();
                if (name.equals(SnapshotTrace.ELEMENT)) {
                    devices = readDevices();
                } else {
                    json.skipChildren();
                }
            }
        }
        if (devices == null) {
            throw malformed("no " + SnapshotTrace.ELEMENT + ": this is not a memory snapshot of PyTorch");
        }
        if (json.nextToken() != null) {
            throw malformed("more than one value");
        }
        return devices;
    }

    private List<List<SnapshotEntry>> readDevices() throws MalformedTraceException {
        var devices = new ArrayList<List<SnapshotEntry>>();
        require(JsonToken.START_ARRAY);
        while (json.nextToken() != JsonToken.END_ARRAY) {
            require(JsonToken.START_ARRAY);
            var entries = new ArrayList<SnapshotEntry>();
            while (json.nextToken() != JsonToken.END_ARRAY) {
                require(JsonToken.START_OBJECT);
                entries.add(readEntry(devices.size(), entries.size()));
            }
            devices.add(entries);
        }
        return devices;
    }

    private SnapshotEntry readEntry(int device, int entry) throws MalformedTraceException {
        try {
            return SnapshotEntry.of(JSON.readValue(json, Map.class));
        } catch (BadRecordException e) {
            throw new MalformedTraceException(file, SnapshotTrace.place(device, entry), e.reason());
        }
    }

    private void require(JsonToken token) throws MalformedTraceException {
        if (json.currentToken() != token) {
            throw malformed("%s is not a list of lists of entries".formatted(SnapshotTrace.ELEMENT));
        }
    }

    private MalformedTraceException malformed(String reason) {
        return new MalformedTraceException(file, json.currentLocation().getLineNr(), reason);
    }
}
