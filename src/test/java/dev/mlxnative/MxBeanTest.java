package dev.mlxnative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Arrays;
import javax.management.Attribute;
import javax.management.MBeanAttributeInfo;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import javax.management.RuntimeMBeanException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** The MXBean of a pool, as the MBean server shows it. */
@ParameterizedClass
@EnumSource(Sizing.class)
class MxBeanTest {
    private final MBeanServer server = ManagementFactory.getPlatformMBeanServer();
    private final MlxDevice device = MlxDevice.open();
    private final long page;
    private final MlxBufferPool pool;
    private ObjectName name;

    MxBeanTest(Sizing sizing) {
        page = LeastBuffer.bytes(device, sizing);
        pool = MlxBufferPool.builder(device)
                .sizing(sizing)
                .name("decode, step=1")
                .build();
    }

    @BeforeEach
    void register() throws Exception {
        MlxBufferPoolMXBean bean = pool.mxBean();
        name = bean.getObjectName();
        server.registerMBean(bean, name);
    }

    @AfterEach
    void unregister() throws Exception {
        server.unregisterMBean(name);
        pool.reset();
        pool.close();
        device.close();
    }

    private Object get(String attribute) throws Exception {
        return server.getAttribute(name, attribute);
    }

    @Test
    void isFoundByTheNameOfThePool() {
        assertThat(name).hasToString("dev.mlxnative:type=MlxBufferPool,name=\"decode, step=1\"");
        assertThat(server.queryNames(name, null)).containsExactly(name);
    }

    @Test
    void showsTheStatistics() throws Exception {
        pool.alloc(2 * page - 1, DType.U8);
        TestFence fence = new TestFence();
        pool.release(pool.alloc(4 * page, DType.U8), fence);
        pool.alloc(8 * page, DType.U8).close();
        pool.alloc(8 * page, DType.U8).close();
        PoolStats stats = pool.stats();
        assertThat(get("Name")).isEqualTo("decode, step=1");
        assertThat(get("Requests")).isEqualTo(4L);
        assertThat(get("Hits")).isEqualTo(1L);
        assertThat(get("HitRate")).isEqualTo(0.25);
        assertThat(get("NativeAllocations")).isEqualTo(3L);
        assertThat(get("FailedAllocations")).isEqualTo(0L);
        assertThat(get("ActiveCount")).isEqualTo(1);
        assertThat(get("ActiveBytes")).isEqualTo(2 * page);
        assertThat(get("RequestedBytes")).isEqualTo(2 * page - 1);
        assertThat(get("CachedCount")).isEqualTo(1);
        assertThat(get("CachedBytes")).isEqualTo(8 * page);
        assertThat(get("ParkedCount")).isEqualTo(1);
        assertThat(get("ParkedBytes")).isEqualTo(4 * page);
        assertThat(get("FootprintBytes")).isEqualTo(stats.footprintBytes());
        assertThat(get("PeakActiveBytes")).isEqualTo(stats.peakActiveBytes());
        assertThat(get("PeakFootprintBytes")).isEqualTo(stats.peakFootprintBytes());
        assertThat(get("TrimmedBytes")).isEqualTo(0L);
        assertThat(get("LeakedCount")).isEqualTo(0L);
        assertThat(get("DeviceAllocatedBytes")).isEqualTo(device.allocatedBytes());
        fence.complete();
    }

    @Test
    void setsTheLimits() throws Exception {
        for (MBeanAttributeInfo attribute : Arrays.stream(
                        server.getMBeanInfo(name).getAttributes())
                .filter(MBeanAttributeInfo::isWritable)
                .toList()) {
            server.setAttribute(name, new Attribute(attribute.getName(), 12_000L));
            assertThat(get(attribute.getName())).as(attribute.getName()).isEqualTo(12_000L);
        }
        assertThat(pool.limits())
                .returns(12_000L, PoolLimits::memoryLimit)
                .returns(12_000L, PoolLimits::cacheLimit)
                .returns(12_000L, PoolLimits::bufferLimit)
                .returns(12_000L, PoolLimits::roundToPagesAbove)
                .returns(Duration.ofSeconds(12), PoolLimits::trimIdleAfter)
                .returns(Duration.ofSeconds(12), PoolLimits::purgeableAfter)
                .returns(Duration.ofSeconds(12), PoolLimits::waitForParked);
        assertThatThrownBy(() -> server.setAttribute(name, new Attribute("MemoryLimit", -1L)))
                .isInstanceOf(RuntimeMBeanException.class)
                .hasRootCauseInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void trims() throws Exception {
        pool.alloc(2 * page, DType.U8).close();
        pool.alloc(8 * page, DType.U8).close();
        assertThat(server.invoke(name, "trim", new Object[] {8 * page}, new String[] {"long"}))
                .isEqualTo(2 * page);
        assertThat(server.invoke(name, "clear", null, null)).isEqualTo(8 * page);
        assertThat(pool.freeCount()).isZero();
    }
}
