/** A checkout and a state of one test file's own, for what would disturb others on the shared platforms. */
import { afterAll } from "vitest";
import { placesOf } from "../../../operations/places.ts";
import { stacksIn } from "../../../operations/backend.ts";
import { Checkout } from "./checkout.ts";

/** Makes what the file needs in a fresh checkout, such as `makeGenerated`. All of its stacks go when the file has ended. */
export async function own<T>(make: (checkout: Checkout) => Promise<T>): Promise<{ checkout: Checkout; made: T }> {
    const checkout = await Checkout.make();
    const remove = async () => {
        for (const stack of stacksIn(placesOf(checkout.env).backend)) {
            // If this fails, the state has to stay: it is the only one that knows what is left on the engine.
            await checkout.ok("delete-data", [stack]);
        }
        checkout.remove();
    };
    try {
        const made = await make(checkout);
        afterAll(remove);
        return { checkout, made };
    } catch (error) {
        await remove();
        throw error;
    }
}
