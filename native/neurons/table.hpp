// The neurons that the kernel knows, one header each.
#include "neurons/firing.hpp"
#include "neurons/lif.hpp"
#include "neurons/integrate_and_fire.hpp"
#include "neurons/alif.hpp"
#include "neurons/ahp.hpp"
#include "neurons/atrlif.hpp"
#include "neurons/li.hpp"

#define LSNN_NEURONS(X) X(LIF) X(IntegrateAndFire) X(ALIF) X(AHP) X(ATRLIF) X(LI)
