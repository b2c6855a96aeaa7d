package dev.mlxnative.bench.replay;

import dev.mlxnative.bench.cli.CommandFailure;
import dev.mlxnative.bench.cli.ResultFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import tools.jackson.databind.json.JsonMapper;

/**
 * A page of charts in one HTML file. It contains the template, the data and the chart library, and needs no network.
 */
final class Report {

    private static final String LIBRARY = "/META-INF/resources/webjars/chart.js/4.5.1/dist/chart.umd.js";
    private static final String LIBRARY_PLACE = "/* chart library */";
    private static final String DATA_PLACE = "{/* data */}";

    /** The data that the page's script reads. */
    private record Data(String device, String java, String date, List<PolicySummary> summaries, List<Section> traces) {}

    /**
     * The data of one trace.
     *
     * @param remarks sentences about what the trace leaves out of its file, and the replay of the trace
     * @param sizes the number of requests by size: element {@code i} counts sizes above 2^(i-1) and up to 2^i
     */
    private record Section(
            String name,
            List<String> remarks,
            long peakLiveBytes,
            long offlineBytes,
            long[] sizes,
            List<ReplayResult> results,
            List<Timeline> timelines) {}

    private final List<Section> sections = new ArrayList<>();

    void add(Trace trace, List<ReplayResult> results, List<Timeline> timelines) {
        List<String> remarks = Stream.concat(trace.remarks().stream(), results.getFirst().sampleRemark().stream())
                .toList();
        sections.add(new Section(
                trace.name(),
                remarks,
                trace.peakLiveBytes(),
                results.getFirst().offlineBytes(),
                sizes(trace),
                results,
                timelines));
    }

    private static long[] sizes(Trace trace) {
        long[] sizes = new long[Long.SIZE];
        int largest = 0;
        for (int event = 0; event < trace.events(); event++) {
            if (trace.isAllocation(event)) {
                int log2 = Long.SIZE - Long.numberOfLeadingZeros(trace.size(event) - 1);
                sizes[log2]++;
                largest = Math.max(largest, log2);
            }
        }
        return Arrays.copyOf(sizes, largest + 1);
    }

    /** Writes the page to a file that the caller opened before the replay. */
    void write(ResultFile file) throws CommandFailure {
        String device = sections.isEmpty()
                ? ""
                : sections.getFirst().results().getFirst().device();
        List<ReplayResult> results =
                sections.stream().flatMap(section -> section.results().stream()).toList();
        var data = new Data(
                device, Runtime.version().toString(), LocalDate.now().toString(), PolicySummary.of(results), sections);
        // A browser ends a script element at the first end tag, so the data must contain none.
        String json = JsonMapper.shared().writeValueAsString(data).replace("<", "\\u003c");
        String page = resource(Report.class, "report.html");
        file.writeText(
                page.replace(LIBRARY_PLACE, resource(Report.class, LIBRARY).replace("</script", "<\\/script"))
                        .replace(DATA_PLACE, json));
    }

    private static String resource(Class<?> owner, String name) {
        try (InputStream in = owner.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException(name + " is not on the class path");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(Path.of(name).getFileName() + " cannot be read", e);
        }
    }
}
