package dev.mlxnative.bench.replay;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.junit.jupiter.api.Assumptions.abort;

import dev.mlxnative.MlxDevice;
import dev.mlxnative.bench.cli.Cells;
import dev.mlxnative.bench.cli.CommandFailure;
import dev.mlxnative.bench.cli.Progress;
import dev.mlxnative.bench.cli.ResultFile;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.logging.Level;
import java.util.logging.Logger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.openqa.selenium.By;
import org.openqa.selenium.Dimension;
import org.openqa.selenium.Keys;
import org.openqa.selenium.WebElement;
import org.openqa.selenium.chrome.ChromeDriver;
import org.openqa.selenium.chrome.ChromeDriverService;
import org.openqa.selenium.chrome.ChromeOptions;
import org.openqa.selenium.logging.LogType;
import org.openqa.selenium.logging.LoggingPreferences;

/** Tests the page of charts in a real browser. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class ReportTest {

    /** A file name that is HTML. The page must show it as text. */
    private static final String HOSTILE =
            "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>";

    private static final Logger SELENIUM_LOG = Logger.getLogger("org.openqa.selenium");

    private static final List<Policy> POLICIES = List.of(Policy.values());

    private final List<ReplayResult> results = new ArrayList<>();
    private ChromeDriver browser;

    @BeforeAll
    void open(@TempDir Path directory) throws IOException, CommandFailure {
        // Selenium warns if it has no classes for the browser's version of the DevTools protocol. The tests use none.
        SELENIUM_LOG.setLevel(Level.SEVERE);
        Path driver = require("chromedriver");
        Path chrome = require("chromium", "google-chrome", "chrome");
        Path page = directory.resolve("report.html");
        write(page);

        var options = new ChromeOptions();
        options.setBinary(chrome.toFile());
        options.addArguments(
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--window-size=1280,900",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--user-data-dir=" + directory.resolve("browser"));
        var logs = new LoggingPreferences();
        logs.enable(LogType.BROWSER, Level.ALL);
        options.setCapability("goog:loggingPrefs", logs);
        var service = new ChromeDriverService.Builder()
                .usingDriverExecutable(driver.toFile())
                .build();
        browser = new ChromeDriver(service, options);
        browser.get(page.toUri().toString());
    }

    /** Finds a program. Without it the tests are skipped, or fail if {@code MLX_REQUIRE_BROWSER} is set. */
    private static Path require(String... names) {
        List<String> folders = new ArrayList<>(List.of(System.getenv("PATH").split(File.pathSeparator)));
        Stream.of("CHROMEWEBDRIVER")
                .map(System::getenv)
                .filter(Objects::nonNull)
                .forEach(folders::add);
        folders.add("/Applications/Google Chrome.app/Contents/MacOS");
        for (String folder : folders) {
            for (String name : names) {
                for (String spelling : List.of(name, "Google Chrome")) {
                    Path file = Path.of(folder, spelling);
                    boolean isMeant = spelling.equals(name) || name.equals("google-chrome");
                    if (isMeant && Files.isExecutable(file) && !Files.isDirectory(file)) {
                        return file;
                    }
                }
            }
        }
        String missing = "the report was not looked at in a browser: there is no " + String.join(" or ", names);
        if (System.getenv("MLX_REQUIRE_BROWSER") != null) {
            throw new AssertionError(missing);
        }
        return abort(missing);
    }

    private void write(Path page) throws IOException, CommandFailure {
        Trace recorded = TraceReader.read(Path.of("bench", "traces", "vit-base-images.csv.gz"));
        var tiny = Trace.builder(HOSTILE);
        tiny.free(tiny.allocate(1000), 1000);
        tiny.allocate(70_000);
        tiny.gaps(new Gaps(1, 0, 0, 0));
        try (var device = MlxDevice.open();
                var file = ResultFile.open(page)) {
            var replayer = new Replayer(device, POLICIES, true);
            var report = new Report();
            for (Trace trace : List.of(recorded, tiny.build())) {
                List<ReplayResult> ofTrace = replayer.replay(trace, Progress.of("replay", 1));
                results.addAll(ofTrace);
                report.add(trace, ofTrace, replayer.timelines(trace));
            }
            report.write(file);
        }
    }

    @AfterAll
    void close() {
        if (browser != null) {
            browser.quit();
        }
        SELENIUM_LOG.setLevel(null);
    }

    @Test
    void hasAChartForEachPolicyAndOneOfTheSizes() {
        assertThat(browser.getTitle()).isEqualTo("Replay of recorded allocations");
        List<WebElement> sections = browser.findElements(By.tagName("section"));
        assertThat(sections).hasSize(2);
        for (WebElement section : sections) {
            List<String> titles = section.findElements(By.tagName("h4")).stream()
                    .map(WebElement::getText)
                    .toList();
            assertThat(titles)
                    .containsExactly("power-of-two", "power-of-two-cache-limit", "compact", "sizes of requests");
        }
        assertThat(colours()).as("in each canvas").hasSize(9).allMatch(colours -> colours > 10);
    }

    /** The number of colours in each canvas; 1 if the page has drawn nothing in it. */
    private List<Long> colours() {
        return script("""
                return [...document.querySelectorAll('canvas')].map(canvas => {
                  const pixels = new Uint32Array(canvas.getContext('2d')
                    .getImageData(0, 0, canvas.width, canvas.height).data.buffer);
                  return new Set(pixels).size;
                });""");
    }

    @SuppressWarnings("unchecked") // the script determines the type
    private <T> T script(String code) {
        return (T) Objects.requireNonNull(browser.executeScript(code));
    }

    @Test
    void drawsTheMemoryOfThePool() {
        List<List<Map<String, Object>>> charts = script("""
                return charts.filter(chart => chart.config.type === 'line').map(chart => chart.data.datasets.map(set =>
                  ({label: set.label, most: Math.max(...set.data.map(point => point.y)),
                    natives: set.data.reduce((sum, point) => sum + (point.n || 0), 0)})));""");
        assertThat(charts).hasSize(results.size());
        for (int i = 0; i < charts.size(); i++) {
            ReplayResult result = results.get(i);
            List<Map<String, Object>> sets = charts.get(i);
            assertThat(sets)
                    .extracting(set -> set.get("label"))
                    .containsExactly(
                            "footprint", "active", "cached", "live", "native allocation", "peak live", "offline");
            // Leak detection samples leases at random. A sampled lease ends in another way, and the pool evicts its
            // buffer sooner.
            assertThat(most(sets, 0)).isCloseTo(result.peakFootprintBytes() / 0x1p20, withinPercentage(10));
            assertThat(most(sets, 3)).isCloseTo(result.peakLiveBytes() / 0x1p20, within(0.001));
            assertThat(most(sets, 6)).isCloseTo(result.offlineBytes() / 0x1p20, within(0.001));
            assertThat(((Number) sets.get(4).get("natives")).doubleValue())
                    .isCloseTo(result.nativeAllocations(), withinPercentage(10));
        }
    }

    @Test
    void showsWholeTablesOnALargeScreen() {
        Boolean whole = script("""
                return [...document.querySelectorAll('.scroll')].every(box => box.scrollWidth <= box.clientWidth);""");
        assertThat(whole).isTrue();
    }

    @Test
    void comparesTheFootprintsOfAllTraces() {
        List<Map<String, Object>> sets = script("""
                return charts[0].data.datasets.map(set => ({label: set.label, data: [...set.data]}));""");
        assertThat(sets)
                .extracting(set -> set.get("label"))
                .containsExactly("power-of-two", "power-of-two-cache-limit", "compact", "offline");
        assertThat(recordedBar(sets.get(2)))
                .isCloseTo(
                        (double) results.get(2).peakFootprintBytes()
                                / results.get(2).peakLiveBytes(),
                        within(0.001));
        assertThat(recordedBar(sets.get(3)))
                .isCloseTo(
                        (double) results.get(2).offlineBytes() / results.get(2).peakLiveBytes(), within(0.001));
    }

    private static double recordedBar(Map<String, Object> set) {
        return ((Number) ((List<?>) set.get("data")).getFirst()).doubleValue();
    }

    @Test
    void sumsUpTheTraces() {
        List<WebElement> rows = browser.findElements(By.cssSelector("#overview tbody tr"));
        assertThat(rows).hasSize(3);
        PolicySummary compact = PolicySummary.of(results).get(2);
        List<String> cells = rows.get(2).findElements(By.tagName("td")).stream()
                .map(WebElement::getText)
                .toList();
        assertThat(cells)
                .startsWith(
                        "compact",
                        Cells.format("%.2f", compact.footprint().median()) + " / "
                                + Cells.format("%.2f", compact.footprint().worst()))
                .hasSize(5);
        assertThat(cells.get(4)).endsWith(" %");
    }

    private static double most(List<Map<String, Object>> sets, int index) {
        return ((Number) sets.get(index).get("most")).doubleValue();
    }

    @Test
    void hasTheTable() {
        List<WebElement> rows = browser.findElements(By.cssSelector("section tbody tr"));
        assertThat(rows).hasSameSizeAs(results);
        for (int i = 0; i < rows.size(); i++) {
            List<WebElement> cells = rows.get(i).findElements(By.tagName("td"));
            assertThat(cells.get(0).getText()).isEqualTo(results.get(i).policy());
            assertThat(cells.get(1).getText())
                    .isEqualTo(Cells.count(results.get(i).requests()));
            assertThat(cells.get(2).getText())
                    .isEqualTo(Cells.count(results.get(i).nativeAllocations()));
        }
    }

    @Test
    void fitsAPhone() {
        Dimension before = browser.manage().window().getSize();
        try {
            browser.executeCdpCommand(
                    "Emulation.setDeviceMetricsOverride",
                    Map.of("width", 360, "height", 740, "deviceScaleFactor", 2, "mobile", true));
            Long width = script("return document.documentElement.scrollWidth");
            assertThat(width).isLessThanOrEqualTo(360);
            Long narrowest = script(
                    "return Math.min(...[...document.querySelectorAll('canvas')].map(canvas => canvas.clientWidth))");
            assertThat(narrowest).isBetween(250L, 360L);
        } finally {
            browser.executeCdpCommand("Emulation.clearDeviceMetricsOverride", Map.of());
            browser.manage().window().setSize(before);
        }
    }

    @Test
    void turnsDarkWhileItIsOpen() {
        prefer("light");
        String light = script("return getComputedStyle(document.body).backgroundColor");
        String lightLine = script("return charts[0].data.datasets[0].borderColor");
        prefer("dark");
        String dark = script("return getComputedStyle(document.body).backgroundColor");
        String darkLine = script("return charts[0].data.datasets[0].borderColor");
        prefer("light");
        assertThat(light).isEqualTo("rgb(255, 255, 255)");
        assertThat(dark).isEqualTo("rgb(20, 23, 26)");
        assertThat(darkLine).isNotEqualTo(lightLine);
    }

    private void prefer(String scheme) {
        browser.executeCdpCommand(
                "Emulation.setEmulatedMedia",
                Map.of("features", List.of(Map.of("name", "prefers-color-scheme", "value", scheme))));
        // The browser notifies the page in a later task.
        browser.executeAsyncScript(
                "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))");
    }

    @Test
    void loadsNoOtherResource() {
        List<String> loaded = script("return performance.getEntriesByType('resource').map(entry => entry.name)");
        assertThat(loaded).allMatch(name -> name.startsWith("data:"));
        assertThat(browser.manage().logs().get(LogType.BROWSER).getAll()).isEmpty();
    }

    @Test
    void showsNamesAsText() {
        assertThat(browser.findElements(By.tagName("h3")).getLast().getText()).isEqualTo(HOSTILE);
        assertThat(browser.findElements(By.tagName("img"))).isEmpty();
    }

    @Test
    void saysWhatATraceLeavesOutOfItsFile() {
        List<String> notes =
                browser.findElements(By.tagName("section")).getLast().findElements(By.tagName("p")).stream()
                        .map(WebElement::getText)
                        .toList();
        assertThat(notes)
                .startsWith("Note: partial log: skipped 1 free of memory that the log does not allocate.")
                .hasSize(2);
    }

    @Test
    void saysHowMuchOfALongTraceWasSampled() {
        List<WebElement> notes =
                browser.findElements(By.tagName("section")).getFirst().findElements(By.tagName("p"));
        assertThat(notes).hasSize(2);
        assertThat(notes.getFirst().getText())
                .isEqualTo("Note: straight on the device: a sample of 2,048 of the 9,520 requests.");
    }

    @Test
    void isReachedByKeyboardAndLabelledForScreenReaders() {
        WebElement body = browser.findElement(By.tagName("body"));
        body.sendKeys(Keys.TAB);
        String label = script("return document.activeElement.getAttribute('aria-label')");
        assertThat(label).isEqualTo("median and worst of all traces");
        body.sendKeys(Keys.TAB, Keys.TAB);
        label = script("return document.activeElement.getAttribute('aria-label')");
        assertThat(label).startsWith("power-of-two: at most ").contains("times what was live");
        Long unnamed = script("return document.querySelectorAll('[tabindex]:not([aria-label])').length");
        assertThat(unnamed).isZero();
    }
}
