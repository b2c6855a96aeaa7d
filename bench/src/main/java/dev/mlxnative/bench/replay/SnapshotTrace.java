package dev.mlxnative.bench.replay;

import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The trace of one device in a memory snapshot of PyTorch.
 *
 * <p>An allocation ends with {@code free_completed}: only then may PyTorch reuse the memory, because other streams have
 * finished with it. Where none follows before the next allocation of the address, it ends with {@code free_requested}.
 *
 * <p>A snapshot has the last entries since the program called {@code _record_memory_history}. If it lacks earlier
 * allocations, it is a partial log.
 */
final class SnapshotTrace {

    static final String OPTION = "--snapshot-device";

    /** The element of the snapshot that has the entries. */
    static final String ELEMENT = "device_traces";

    private SnapshotTrace() {}

    /** @param devices the entries of each device */
    static Trace of(Path file, List<List<SnapshotEntry>> devices, ReadOptions options) throws MalformedTraceException {
        List<Integer> recorded = IntStream.range(0, devices.size())
                .filter(device -> !devices.get(device).isEmpty())
                .boxed()
                .toList();
        int device = choose(file, recorded, options);
        String name = String.valueOf(file.getFileName());
        var trace = Trace.builder(recorded.size() == 1 ? name : name + " device " + device);
        if (recorded.size() > 1 && options.snapshotDevice() == null) {
            trace.remark("device %d of devices %s is replayed (%s chooses another)"
                    .formatted(device, join(recorded), OPTION));
        }
        var gaps = new GapPolicy(options.partial());
        replay(file, device, devices.get(device), trace, new PointerTable(trace, gaps, "entry"));
        trace.gaps(gaps.gaps());
        return trace.build();
    }

    private static int choose(Path file, List<Integer> recorded, ReadOptions options) throws MalformedTraceException {
        if (recorded.isEmpty()) {
            throw new MalformedTraceException(
                    file,
                    ELEMENT,
                    "no entries: the program did not call torch.cuda.memory._record_memory_history() first");
        }
        Integer chosen = options.snapshotDevice();
        if (chosen == null) {
            return recorded.getFirst();
        }
        if (!recorded.contains(chosen)) {
            throw new MalformedTraceException(
                    file, ELEMENT, "device %d has no entries, but device %s has".formatted(chosen, join(recorded)));
        }
        return chosen;
    }

    private static void replay(
            Path file, int device, List<SnapshotEntry> entries, Trace.Builder trace, PointerTable pointers)
            throws MalformedTraceException {
        boolean[] frees = frees(entries);
        for (int i = 0; i < entries.size(); i++) {
            SnapshotEntry entry = entries.get(i);
            trace.clock().at(entry.micros());
            try {
                if (entry.action() == SnapshotEntry.Action.ALLOC) {
                    pointers.allocate(entry.address(), entry.size(), i);
                } else if (entry.action() == SnapshotEntry.Action.OOM) {
                    pointers.allocateFailure();
                } else if (frees[i]) {
                    pointers.free(entry.address(), entry.size());
                }
            } catch (BadRecordException e) {
                throw new MalformedTraceException(file, place(device, i), e.reason());
            }
        }
    }

    /** Finds the entries that end an allocation. */
    private static boolean[] frees(List<SnapshotEntry> entries) {
        boolean[] frees = new boolean[entries.size()];
        Set<Long> completedLater = new HashSet<>();
        for (int i = entries.size() - 1; i >= 0; i--) {
            SnapshotEntry entry = entries.get(i);
            switch (entry.action()) {
                case ALLOC -> completedLater.remove(entry.address());
                case FREE_COMPLETED -> {
                    completedLater.add(entry.address());
                    frees[i] = true;
                }
                case FREE_REQUESTED -> frees[i] = !completedLater.contains(entry.address());
                case OOM, OTHER -> {}
            }
        }
        return frees;
    }

    /** Names an entry in a message. */
    static String place(int device, int entry) {
        return "%s[%d][%d]".formatted(ELEMENT, device, entry);
    }

    private static String join(List<Integer> devices) {
        return devices.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }
}
