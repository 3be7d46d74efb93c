/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of metrics: families made of all streams' statuses (of StreamStatus). Control loop. */
#pragma once

#include "control/metrics.h"

void metrics_write_streams (MetricsWriter *writer, GPtrArray *streams);
/* The stream_manager_* names that dashboards of an earlier service use, as far as there is data behind them.
 */
void metrics_write_legacy (MetricsWriter *writer, GPtrArray *streams);
