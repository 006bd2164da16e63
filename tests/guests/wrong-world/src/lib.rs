//! A component that is no module: it exports a world of its own.

wit_bindgen::generate!({
    inline: "
        package acme:greeter;

        world greeter {
            export greet: func(name: string) -> string;
        }
    ",
});

struct Greeter;

impl Guest for Greeter {
    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }
}

export!(Greeter);
